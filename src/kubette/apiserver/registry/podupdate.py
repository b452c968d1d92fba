"""What may change on a pod once it exists: images, tolerations added, deadlines shortened; little else.

Source: pkg/apis/core/validation (ValidatePodUpdate, ValidatePodStatusUpdate, ValidatePodEphemeralContainersUpdate,
ValidatePodResize).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, required
from kubette.apiserver.registry import podannotations, resources
from kubette.apiserver.registry.checks import IMMUTABLE
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
_UPDATABLE = ",".join(
    (
        "`spec.containers[*].image`",
        "`spec.initContainers[*].image`",
        "`spec.activeDeadlineSeconds`",
        "`spec.tolerations` (only additions to existing tolerations)",
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )
)
_MAX_SHOWN = 10
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def validate(new: Object, old: Object) -> list[FieldError]:
    """The main resource. ``new`` has been defaulted."""
    spec, before = new["spec"], old["spec"]
    out: list[FieldError] = []
    for field in ("containers", "initContainers"):
        if len(spec.get(field) or ()) != len(before.get(field) or ()):
            return [forbidden(f"spec.{field}", "pod updates may not add or remove containers")]
        for i, c in enumerate(spec.get(field) or ()):
            if not c.get("image"):
                out.append(required(f"spec.{field}[{i}].image"))
    out += _deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    out += _tolerations(spec.get("tolerations") or [], before.get("tolerations") or [])
    out += _gates(spec, before)
    if before.get("schedulingGates"):
        out += _narrowed(spec, before)
    changed = list(differences(_munged(spec, before), before, "spec"))
    if changed:
        shown = "\n".join(f"  {line}" for line in changed[:_MAX_SHOWN])
        out.append(forbidden("spec", f"pod updates may not change fields other than {_UPDATABLE}\n{shown}\n"))
    return out


def _munged(spec: Object, before: Object) -> Object:
    """``spec`` with everything that may change put back."""
    out = copy.deepcopy(spec)
    for field in ("containers", "initContainers"):
        for c, b in zip(out.get(field) or (), before.get(field) or (), strict=True):
            if "image" in b:
                c["image"] = b["image"]
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        _put_back(out, before, field)
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and out.get("terminationGracePeriodSeconds") == 1:
        _put_back(out, before, "terminationGracePeriodSeconds")
    if before.get("schedulingGates"):
        _put_back(out, before, "nodeSelector")
        affinity = dict(out.get("affinity") or {})
        _put_back(affinity, before.get("affinity") or {}, "nodeAffinity")
        if affinity or "affinity" in before:
            out["affinity"] = affinity
        else:
            out.pop("affinity", None)
    return out


def _put_back(out: Object, before: Object, field: str) -> None:
    if field in before:
        out[field] = before[field]
    else:
        out.pop(field, None)


def differences(new: Any, old: Any, path: str) -> Iterator[str]:
    """``path: old → new`` of every leaf that differs."""
    if isinstance(new, dict) and isinstance(old, dict):
        for key in sorted({*new, *old}):
            if new.get(key) != old.get(key):
                yield from differences(new.get(key), old.get(key), f"{path}.{key}")
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        for i, (a, b) in enumerate(zip(new, old, strict=True)):
            if a != b:
                yield from differences(a, b, f"{path}[{i}]")
    elif (new or None) != (old or None):
        yield f"{path}: {_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    return "<unset>" if value is None else json.dumps(value)


def _deadline(new: int | None, old: int | None) -> list[FieldError]:
    path = "spec.activeDeadlineSeconds"
    if old is None:
        return []
    if new is None:
        return [invalid(path, None, "must not update from a positive integer to nil value")]
    if new > old:
        return [invalid(path, new, "must be less than or equal to previous value")]
    return []


def _tolerations(new: list[Object], old: list[Object]) -> list[FieldError]:
    have = [_identity(t) for t in new]
    if all(_identity(t) in have for t in old):
        return []
    words = "existing toleration can not be modified except its tolerationSeconds"
    return [forbidden("spec.tolerations", words)]


def _identity(toleration: Object) -> Object:
    return {k: v for k, v in toleration.items() if k != "tolerationSeconds"}


def _gates(spec: Object, before: Object) -> list[FieldError]:
    had = {g.get("name") for g in before.get("schedulingGates") or ()}
    return [
        forbidden(f"spec.schedulingGates[{i}].name",
                  f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'")
        for i, gate in enumerate(spec.get("schedulingGates") or ()) if gate.get("name") not in had
    ]  # fmt: skip


def _narrowed(spec: Object, before: Object) -> list[FieldError]:
    """Where a gated pod may run can only become less."""
    out: list[FieldError] = []
    selector, wanted = spec.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if not wanted.items() <= selector.items():
        words = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        out.append(invalid("spec.nodeSelector", selector, words))
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    terms, had = _terms(spec), _terms(before)
    if had and len(had) != len(terms):
        words = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [*out, invalid(path, terms, words)]
    for i, (term, old) in enumerate(zip(terms, had, strict=False)):
        if not _only_added(term, old):
            out.append(invalid(f"{path}[{i}]", term, "only additions are allowed (no mutations or deletions)"))
    return out


def _terms(spec: Object) -> list[Object]:
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms: list[Object] = (node.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []
    return terms


def _only_added(term: Object, old: Object) -> bool:
    parts = [(old.get(f) or [], term.get(f) or []) for f in ("matchExpressions", "matchFields")]
    if not any(had for had, _ in parts):
        return not any(has for _, has in parts)  # an empty term matches nothing; with a rule it would match more
    return all(has[: len(had)] == had for had, has in parts)


def validate_annotations(new: Object, old: Object) -> list[FieldError]:
    """The pod's annotations, where they change."""
    now, before = new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {}
    if now == before:
        return []
    path = "metadata.annotations"
    return podannotations.update(now, before, path) + podannotations.validate(now, new["spec"], path)


_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
_NEGATIVE_GENERATION = "must be a non-negative integer"


def validate_status(new: Object, old: Object) -> list[FieldError]:
    """The kubelet's write: containers that have ended for good do not start again."""
    out: list[FieldError] = []
    status, before = new.get("status") or {}, old.get("status") or {}
    for i, condition in enumerate(status.get("conditions") or ()):
        at, kind = f"status.conditions[{i}]", condition.get("type") or ""
        if (condition.get("observedGeneration") or 0) < 0:
            generation = condition["observedGeneration"]
            out.append(invalid(f"{at}.observedGeneration", generation, _NEGATIVE_GENERATION))
        if kind not in _SYSTEM_CONDITIONS:
            out += [invalid(f"{at}.Type", kind, m) for m in qualified_name_errors(kind)]
    nominated = status.get("nominatedNodeName") or ""
    if nominated and nominated != before.get("nominatedNodeName"):
        out += [invalid("status.nominatedNodeName", nominated, m) for m in names.dns1123_subdomain(nominated)]
        if old["spec"].get("nodeName"):
            words = "may not be set on pods that are already bound to a node"
            out.append(forbidden("status.nominatedNodeName", words))
    if (generation := status.get("observedGeneration") or 0) < 0:
        out.append(invalid("status.observedGeneration", generation, _NEGATIVE_GENERATION))
    if before.get("qosClass") and status.get("qosClass") != before["qosClass"]:
        out.append(invalid("status.qosClass", status.get("qosClass") or "", IMMUTABLE))
    out += _restarts(status, before, old["spec"])
    return out + _addresses(status, before, "podIPs") + _addresses(status, before, "hostIPs")


def _addresses(status: Object, before: Object, field: str) -> list[FieldError]:
    addresses = [a.get("ip") or "" for a in status.get(field) or ()]
    out: list[FieldError] = []
    if field == "hostIPs" and addresses and addresses[0] != (status.get("hostIP") or ""):
        out.append(invalid("status.hostIPs[0].ip", addresses[0], "must be equal to `hostIP`"))
    had = {a.get("ip") for a in before.get(field) or ()}
    for i, address in enumerate(addresses):
        if address not in had:
            out += [invalid(f"status.{field}[{i}]", address, m) for m in names.ip(address)]
    families = {":" in a for a in addresses}
    if len(addresses) > max(1, len(families)):
        words = "may specify no more than one IP for each IP family"
        out.append(invalid(f"status.{field}", status[field], words))
    return out


def _may_restart(container: Object, policy: str, code: int) -> bool:
    """By its own rules, its own policy, or the pod's."""
    own = container.get("restartPolicy")
    if own is not None:
        for rule in container.get("restartPolicyRules") or ():
            codes = rule.get("exitCodes") or {}
            if (code in (codes.get("values") or ())) == (codes.get("operator") == "In"):
                return True
    policy = own or policy
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _restarts(status: Object, before: Object, spec: Object) -> list[FieldError]:
    """A container that has ended for good stays so."""
    policy = spec.get("restartPolicy") or "Always"
    everything = [c for f in ("initContainers", "containers") for c in spec.get(f) or ()]
    anew = any(r.get("action") == "RestartAllContainers" for c in everything for r in c.get("restartPolicyRules") or ())
    out = []
    for field, statuses in _STATUSES.items():
        if anew and field != "ephemeralContainers":
            continue
        shapes = {c.get("name"): c for c in spec.get(field) or ()}
        now = {s.get("name"): s.get("state") or {} for s in status.get(statuses) or ()}
        for i, was in enumerate(before.get(statuses) or ()):
            ended, state = (was.get("state") or {}).get("terminated"), now.get(was.get("name"))
            if ended is None or state is None or state.get("terminated") is not None:
                continue
            shape, code = shapes.get(was.get("name"), {}), int(ended.get("exitCode") or 0)
            if field != "ephemeralContainers" and _may_restart(shape, policy, code):
                continue
            words = "may not be transitioned to non-terminated state"
            out.append(forbidden(f"status.{statuses}[{i}].state", words))
    return out


_STATUSES = {
    "containers": "containerStatuses",
    "initContainers": "initContainerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}


def validate_ephemeral(new: Object, old: Object) -> list[FieldError]:
    """Ephemeral containers can only be added."""
    path = "spec.ephemeralContainers"
    if "kubernetes.io/config.mirror" in (old["metadata"].get("annotations") or {}):
        return [forbidden("", "static pods do not support ephemeral containers")]
    now = {c.get("name"): c for c in new["spec"].get("ephemeralContainers") or ()}
    out = []
    for was in old["spec"].get("ephemeralContainers") or ():
        name = was.get("name")
        if name not in now:
            out.append(forbidden(path, f'existing ephemeral containers "{name}" may not be removed'))
        elif now[name] != was:
            out.append(forbidden(path, f'existing ephemeral containers "{name}" may not be changed'))
    return out


def validate_resize(new: Object, old: Object) -> list[FieldError]:
    """Only cpu and memory, and not so far that the pod's QoS class changes."""
    spec, before = new["spec"], old["spec"]
    if podannotations.MIRROR in (old["metadata"].get("annotations") or {}):
        return [forbidden("", "static pods cannot be resized")]
    if (before.get("os") or {}).get("name") == "windows":
        return [forbidden("", "windows pods cannot be resized")]
    out: list[FieldError] = []
    if resources.qos_class(spec) != resources.qos_class(before):
        shown = (new.get("status") or {}).get("qosClass") or ""
        out.append(invalid("spec", shown, "Pod QOS Class may not change as a result of resizing"))
    out += _pod_resized(spec.get("resources"), before.get("resources"))
    for field in ("initContainers", "containers"):
        had, has = before.get(field) or [], spec.get(field) or []
        if len(had) != len(has):
            return [*out, forbidden(f"spec.{field}", f"{field} may not be added or removed on resize")]
        for i, (c, was) in enumerate(zip(has, had, strict=True)):
            if c.get("name") != was.get("name"):
                words = f"{field} may not be renamed or reordered on resize"
                out.append(forbidden(f"spec.{field}[{i}].name", words))
            elif c != was:
                out += _resized(c, was, field, f"spec.{field}[{i}]")
    return out


def _resized(c: Object, was: Object, field: str, path: str) -> list[FieldError]:
    if field == "initContainers" and was.get("restartPolicy") != "Always":
        return [forbidden("spec", "resources for non-sidecar init containers are immutable")]
    out: list[FieldError] = []
    wanted, before = c.get("resources") or {}, was.get("resources") or {}
    for part in ("requests", "limits"):
        if (before.get(part) or {}).keys() - (wanted.get(part) or {}).keys():
            out.append(forbidden(f"{path}.resources.{part}", f"resource {part} cannot be removed"))
    if {**c, "resources": _fixed(wanted)} != {**was, "resources": _fixed(before)}:
        if field == "containers":
            out.append(forbidden("spec", "only cpu and memory resources are mutable"))
        else:
            out.append(forbidden(path, "only cpu and memory resources for init or sidecar containers are mutable"))
    return out


def _pod_resized(now: Object | None, was: Object | None) -> list[FieldError]:
    if now == was:
        return []
    if now is None:
        return [forbidden("spec.resources", "pod-level resources cannot be removed")]
    out: list[FieldError] = []
    for part in ("requests", "limits"):
        if ((was or {}).get(part) or {}).keys() - (now.get(part) or {}).keys():
            out.append(forbidden(f"spec.resources.{part}", f"pod-level resource {part} cannot be removed"))
    if _fixed(now) != _fixed(was or {}):
        out.append(forbidden("spec", "only cpu and memory resources are mutable at pod-level"))
    return out


def _fixed(requirements: Object) -> Object:
    """What a resize leaves alone."""
    amounts = {
        part: {n: v for n, v in (requirements.get(part) or {}).items() if n not in ("cpu", "memory")}
        for part in ("requests", "limits")
    }
    return {**amounts, "claims": requirements.get("claims") or []}
