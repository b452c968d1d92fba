"""The cells of the cluster's own kinds: nodes, namespaces, configuration, events, access, quotas, extensions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kubette.api.columns_text import (
    Cells,
    Obj,
    Printer,
    age,
    condition_is,
    deleting,
    human,
    join,
    label_selector,
    name,
    since,
    spec,
    status,
)

_ROLE = "node-role.kubernetes.io/"


def _node(obj: Obj, now: datetime) -> Cells:
    ready = [c for c in status(obj).get("conditions") or () if c.get("type") == "Ready"]
    state = "Unknown" if not ready else "Ready" if ready[-1].get("status") == "True" else "NotReady"
    if spec(obj).get("unschedulable"):
        state += ",SchedulingDisabled"
    info = status(obj).get("nodeInfo") or {}
    return [
        name(obj), state, join(sorted(_roles(obj))), age(obj, now), info.get("kubeletVersion", ""),
        _address(obj, "InternalIP"), _address(obj, "ExternalIP"), info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>", info.get("containerRuntimeVersion") or "<unknown>",
    ]  # fmt: skip


def _roles(obj: Obj) -> set[str]:
    pairs = (obj.get("metadata") or {}).get("labels") or {}
    roles = {key.removeprefix(_ROLE) for key in pairs if key.startswith(_ROLE)}
    return (roles | {pairs.get("kubernetes.io/role", "")}) - {""}


def _address(obj: Obj, kind: str) -> str:
    listed = status(obj).get("addresses") or ()
    return next((a.get("address", "") for a in listed if a.get("type") == kind), "<none>")


def _namespace(obj: Obj, now: datetime) -> Cells:
    return [name(obj), status(obj).get("phase", ""), age(obj, now)]


def _config_map(obj: Obj, now: datetime) -> Cells:
    return [name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)]


def _secret(obj: Obj, now: datetime) -> Cells:
    return [name(obj), obj.get("type", ""), len(obj.get("data") or ()), age(obj, now)]


def _service_account(obj: Obj, now: datetime) -> Cells:
    return [name(obj), len(obj.get("secrets") or ()), age(obj, now)]


def _component_status(obj: Obj, now: datetime) -> Cells:
    for condition in obj.get("conditions") or ():
        if condition.get("type") == "Healthy":
            word = "Healthy" if condition.get("status") == "True" else "Unhealthy"
            return [name(obj), word, condition.get("message", ""), condition.get("error", "")]
    return [name(obj), "Unknown", "", ""]


def _event(obj: Obj, now: datetime) -> Cells:
    """An event of either group; their fields differ in name."""

    def first(*fields: str) -> Any:
        return next((obj[f] for f in fields if obj.get(f)), None)

    began = since(first("firstTimestamp", "deprecatedFirstTimestamp", "eventTime"), now)
    last, series = first("lastTimestamp", "deprecatedLastTimestamp"), obj.get("series")
    seen, count = since(last, now) if last else began, first("count", "deprecatedCount") or 1
    if series:
        seen, count = since(series.get("lastObservedTime"), now), series.get("count", 0)
    about, source = first("involvedObject", "regarding") or {}, first("source", "deprecatedSource") or {}
    component = source.get("component") or first("reportingComponent", "reportingController") or ""
    host = source.get("host") or obj.get("reportingInstance")
    target = join(filter(None, (str(about.get("kind", "")).lower(), about.get("name"))), "", "/")
    return [
        seen, obj.get("type", ""), obj.get("reason", ""), target, about.get("fieldPath", ""),
        f"{component}, {host}" if host else component, (first("message", "note") or "").strip(),
        began, count, name(obj),
    ]  # fmt: skip


def _binding(obj: Obj, now: datetime) -> Cells:
    role = obj.get("roleRef") or {}
    users, groups, accounts = [], [], []
    for subject in obj.get("subjects") or ():
        match subject.get("kind"):
            case "User":
                users.append(subject.get("name", ""))
            case "Group":
                groups.append(subject.get("name", ""))
            case "ServiceAccount":
                accounts.append(f"{subject.get('namespace', '')}/{subject.get('name', '')}")
    subjects = [", ".join(listed) for listed in (users, groups, accounts)]
    return [name(obj), f"{role.get('kind')}/{role.get('name')}", age(obj, now), *subjects]


def _lease(obj: Obj, now: datetime) -> Cells:
    return [name(obj), spec(obj).get("holderIdentity") or "", age(obj, now)]


def _signing_request(obj: Obj, now: datetime) -> Cells:
    kinds = {c.get("type") for c in status(obj).get("conditions") or ()}
    word = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    word += ",Failed" * ("Failed" in kinds) + ",Issued" * bool(status(obj).get("certificate"))
    seconds = spec(obj).get("expirationSeconds")
    return [
        name(obj), age(obj, now), spec(obj).get("signerName") or "<none>", spec(obj).get("username", ""),
        "<none>" if seconds is None else human(seconds), word,
    ]  # fmt: skip


def _resource_quota(obj: Obj, now: datetime) -> Cells:
    used, cells = status(obj).get("used") or {}, {False: [], True: []}  # type: dict[str, str], dict[bool, list[str]]
    for resource, hard in sorted((status(obj).get("hard") or {}).items()):
        cells[resource.startswith("limits.")].append(f"{resource}: {used.get(resource, '0')}/{hard}")
    return [name(obj), ", ".join(cells[False]), ", ".join(cells[True]), age(obj, now)]


def _priority_class(obj: Obj, now: datetime) -> Cells:
    return [
        name(obj), obj.get("value", 0), bool(obj.get("globalDefault")), age(obj, now),
        obj.get("preemptionPolicy") or "",
    ]  # fmt: skip


def _runtime_class(obj: Obj, now: datetime) -> Cells:
    return [name(obj), obj.get("handler", ""), age(obj, now)]


def _webhooks(obj: Obj, now: datetime) -> Cells:
    return [name(obj), len(obj.get("webhooks") or ()), age(obj, now)]


def _policy(rules: str) -> Callable[[Obj, datetime], Cells]:
    def cells(obj: Obj, now: datetime) -> Cells:
        param = spec(obj).get("paramKind")
        shown = f"{param.get('apiVersion')}/{param.get('kind')}" if param else "<unset>"
        return [name(obj), len(spec(obj).get(rules) or ()), shown, age(obj, now)]

    return cells


def _policy_binding(obj: Obj, now: datetime) -> Cells:
    param, shown = spec(obj).get("paramRef") or {}, "<unset>"
    if param.get("name"):
        shown = f"{param.get('namespace') or '*'}/{param['name']}"
    elif param.get("selector") is not None:
        shown = label_selector(param["selector"])
    return [name(obj), spec(obj).get("policyName", ""), shown, age(obj, now)]


def _flow_schema(obj: Obj, now: datetime) -> Cells:
    conditions = status(obj).get("conditions") or ()
    return [
        name(obj), (spec(obj).get("priorityLevelConfiguration") or {}).get("name", ""),
        spec(obj).get("matchingPrecedence", 0), (spec(obj).get("distinguisherMethod") or {}).get("type") or "<none>",
        age(obj, now), next((c.get("status", "") for c in conditions if c.get("type") == "Dangling"), "?"),
    ]  # fmt: skip


def _priority_level(obj: Obj, now: datetime) -> Cells:
    limited = spec(obj).get("limited") or {}
    queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
    return [
        name(obj), spec(obj).get("type", ""), limited.get("nominalConcurrencyShares", "<none>"),
        *(queuing.get(field, "<none>") for field in ("queues", "handSize", "queueLengthLimit")), age(obj, now),
    ]  # fmt: skip


def _api_service(obj: Obj, now: datetime) -> Cells:
    service = spec(obj).get("service")
    where = f"{service.get('namespace')}/{service.get('name')}" if service else "Local"
    conditions = [c for c in status(obj).get("conditions") or () if c.get("type") == "Available"]
    word = "Unknown"
    if conditions:
        state, reason = conditions[0].get("status", ""), conditions[0].get("reason")
        word = "True" if condition_is(obj, "Available") else f"{state} ({reason})"
    return [name(obj), where, word, age(obj, now)]


def _resource_claim(obj: Obj, now: datetime) -> Cells:
    states = ["deleted"] if deleting(obj) else []
    if status(obj).get("allocation"):
        states.append("allocated")
        if status(obj).get("reservedFor"):
            states.append("reserved")
    elif not states:
        states.append("pending")
    return [name(obj), ",".join(states), age(obj, now)]


def _resource_slice(obj: Obj, now: datetime) -> Cells:
    pool = (spec(obj).get("pool") or {}).get("name", "")
    return [name(obj), spec(obj).get("nodeName", ""), spec(obj).get("driver", ""), pool, age(obj, now)]


def _only_age(obj: Obj, now: datetime) -> Cells:
    return [name(obj), age(obj, now)]


_BINDING = Printer("Name|Role|Age|*Users|*Groups|*ServiceAccounts", _binding)
_WEBHOOKS = Printer("Name|Webhooks#|Age", _webhooks)
_POLICY_BINDING = Printer("Name|PolicyName|ParamRef|Age", _policy_binding)
_EVENT = Printer(
    "Last Seen|Type|Reason|Object|*Subobject|*Source|Message|*First Seen|*Count|*Name", _event
)
_ADMISSION = ".admissionregistration.k8s.io"

PRINTERS = {
    "nodes": Printer(
        "Name|Status|Roles|Age|Version|*Internal-IP|*External-IP|*OS-Image|*Kernel-Version|*Container-Runtime", _node
    ),
    "namespaces": Printer("Name|Status|Age", _namespace),
    "configmaps": Printer("Name|Data|Age", _config_map),
    "secrets": Printer("Name|Type|Data|Age", _secret),
    "serviceaccounts": Printer("Name|Secrets|Age", _service_account),
    "componentstatuses": Printer("Name|Status|Message|Error", _component_status),
    "events": _EVENT,
    "events.events.k8s.io": _EVENT,
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "leases.coordination.k8s.io": Printer("Name|Holder|Age", _lease),
    "certificatesigningrequests.certificates.k8s.io": Printer(
        "Name|Age|SignerName|Requestor|RequestedDuration|Condition", _signing_request
    ),
    "resourcequotas": Printer("Name|Request|Limit|Age", _resource_quota),
    "priorityclasses.scheduling.k8s.io": Printer(
        "Name|Value#|Global-Default?|Age|PreemptionPolicy", _priority_class
    ),
    "runtimeclasses.node.k8s.io": Printer("Name|Handler|Age", _runtime_class),
    "mutatingwebhookconfigurations" + _ADMISSION: _WEBHOOKS,
    "validatingwebhookconfigurations" + _ADMISSION: _WEBHOOKS,
    "validatingadmissionpolicies" + _ADMISSION: Printer("Name|Validations#|ParamKind|Age", _policy("validations")),
    "mutatingadmissionpolicies" + _ADMISSION: Printer("Name|Mutations#|ParamKind|Age", _policy("mutations")),
    "validatingadmissionpolicybindings" + _ADMISSION: _POLICY_BINDING,
    "mutatingadmissionpolicybindings" + _ADMISSION: _POLICY_BINDING,
    "flowschemas.flowcontrol.apiserver.k8s.io": Printer(
        "Name|PriorityLevel|MatchingPrecedence|DistinguisherMethod|Age|MissingPL", _flow_schema
    ),
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": Printer(
        "Name|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age", _priority_level
    ),
    "apiservices.apiregistration.k8s.io": Printer("Name|Service|Available|Age", _api_service),
    "resourceclaims.resource.k8s.io": Printer("Name|State|Age", _resource_claim),
    "resourceslices.resource.k8s.io": Printer("Name|Node|Driver|Pool|Age", _resource_slice),
    "deviceclasses.resource.k8s.io": Printer("Name|Age", _only_age),
    "resourceclaimtemplates.resource.k8s.io": Printer("Name|Age", _only_age),
}
