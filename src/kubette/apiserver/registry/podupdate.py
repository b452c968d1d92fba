"""What may change on a pod once it exists: images, tolerations added, deadlines shortened; little else.

Source: pkg/apis/core/validation (ValidatePodUpdate, ValidatePodStatusUpdate, ValidatePodEphemeralContainersUpdate,
ValidatePodResize).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from kubette.api.errors import FieldError, forbidden, invalid, required
from kubette.apiserver.registry import resources
from kubette.apiserver.registry.checks import IMMUTABLE

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
    if out:
        return out
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
    for field in ("activeDeadlineSeconds", "tolerations"):
        _put_back(out, before, field)
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and out.get("terminationGracePeriodSeconds") == 1:
        _put_back(out, before, "terminationGracePeriodSeconds")
    if before.get("schedulingGates"):
        _put_back(out, before, "schedulingGates")
        wanted = before.get("nodeSelector") or {}
        if wanted.items() <= (out.get("nodeSelector") or {}).items():
            _put_back(out, before, "nodeSelector")
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
    had = [g.get("name") for g in before.get("schedulingGates") or ()]
    added = sorted(str(g.get("name")) for g in spec.get("schedulingGates") or () if g.get("name") not in had)
    if added:
        words = f"only deletion is allowed, but found new scheduling gates '{', '.join(added)}'"
        return [forbidden("spec.schedulingGates", words)]
    return []


def validate_status(new: Object, old: Object) -> list[FieldError]:
    """The kubelet's write: the node stays, terminated containers of finished pods don't start again."""
    out: list[FieldError] = []
    status, before = new.get("status") or {}, old.get("status") or {}
    nominated = status.get("nominatedNodeName") or ""
    if nominated:
        from kubette.api import names

        out += [invalid("status.nominatedNodeName", nominated, m) for m in names.dns1123_subdomain(nominated)]
    if before.get("qosClass") and status.get("qosClass") != before["qosClass"]:
        out.append(invalid("status.qosClass", status.get("qosClass") or "", IMMUTABLE))
    return out + _restarts(status, before, old["spec"])


def _may_restart(container: Object, policy: str, code: int) -> bool:
    """By its own rules, its own policy, or the pod's."""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        if (code in (codes.get("values") or ())) == (codes.get("operator") == "In"):
            return True
    policy = container.get("restartPolicy") or policy
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _restarts(status: Object, before: Object, spec: Object) -> list[FieldError]:
    """A container that has finished for good stays so."""
    policy = spec.get("restartPolicy") or "Always"
    shapes = {c.get("name"): c for c in spec.get("containers") or ()}
    now = {s.get("name"): s.get("state") or {} for s in status.get("containerStatuses") or ()}
    out = []
    for i, was in enumerate(before.get("containerStatuses") or ()):
        ended = (was.get("state") or {}).get("terminated")
        state = now.get(was.get("name"))
        if ended is None or state is None or state.get("terminated") is not None:
            continue
        if _may_restart(shapes.get(was.get("name"), {}), policy, int(ended.get("exitCode") or 0)):
            continue
        path = f"status.containerStatuses[{i}].state"
        out.append(forbidden(path, "may not be transitioned to non-terminated state"))
    return out


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
    """Only resources, and not so far that the pod's QoS class changes."""
    if resources.qos_class(new["spec"]) != resources.qos_class(old["spec"]):
        return [invalid("spec", "", "Pod QOS Class may not change as a result of resizing")]
    return []
