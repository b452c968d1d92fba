"""StatefulSets. Source: pkg/registry/apps/statefulset, apps/v1/defaults.go, apps/validation (ValidateStatefulSet)."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, unsupported
from kubette.apiserver.registry import checks, persistentvolumeclaims, podtemplate, podwarnings, workloads
from kubette.apiserver.registry.base import Context

Object = dict[str, Any]
_MAY_CHANGE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_RETAIN = ("Delete", "Retain")


class StatefulSets(workloads.Workload):
    name_use = ""  # the name must be a DNS label

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("podManagementPolicy"):
            spec["podManagementPolicy"] = "OrderedReady"
        strategy = spec.setdefault("updateStrategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
            workloads.set_default(strategy.setdefault("rollingUpdate", {}), "partition", 0)
        elif strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
            workloads.set_default(strategy["rollingUpdate"], "partition", 0)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        for field in ("whenDeleted", "whenScaled"):
            if not retention.get(field):
                retention[field] = "Retain"
        workloads.set_default(spec, "replicas", 1)
        workloads.set_default(spec, "revisionHistoryLimit", 10)
        for claim in spec.get("volumeClaimTemplates") or ():
            claim.setdefault("apiVersion", "v1")
            claim.setdefault("kind", "PersistentVolumeClaim")
            workloads.set_default(claim.setdefault("spec", {}), "volumeMode", "Filesystem")
            workloads.set_default(claim.setdefault("status", {}), "phase", "Pending")
        podtemplate.default(spec.setdefault("template", {}))

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"replicas": 0, "availableReplicas": 0}
        _drop_disabled(obj["spec"], {})

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        if not ctx.subresource:
            _drop_disabled(new["spec"], old["spec"])
        super().prepare_update(new, old, ctx)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return _spec(obj["spec"], created=True)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return workloads.status_errors(new, old, ready="status.readyReplicas")
        out = _spec(new["spec"], created=False)
        if _fixed(new["spec"]) != _fixed(old["spec"]):
            listed = ", ".join(f"'{f}'" for f in _MAY_CHANGE[:-1]) + f" and '{_MAY_CHANGE[-1]}'"
            words = f"updates to statefulset spec for fields other than {listed} are forbidden"
            out.append(forbidden("spec", words))
        return out

    def warnings_on_create(self, obj: Object, ctx: Context) -> list[str]:
        return [*super().warnings_on_create(obj, ctx), *_warnings(obj["spec"], "")]

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> list[str]:
        return [*super().warnings_on_update(new, old, ctx), *_warnings(new["spec"], ".Spec")]


def _warnings(spec: Object, below: str) -> list[str]:
    out = [
        w for i, claim in enumerate(spec.get("volumeClaimTemplates") or ())
        for w in podwarnings.claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{i}]{below}")
    ]  # fmt: skip
    if (spec.get("revisionHistoryLimit") or 0) < 0:
        words = "a negative value retains all historical revisions; a value >= 0 is recommended"
        out.append(f"spec.revisionHistoryLimit: {words}")
    return out


def _drop_disabled(spec: Object, old: Object) -> None:
    """The feature gate MaxUnavailableStatefulSet is off by default."""
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    had = ((old.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("maxUnavailable")
    if had is None:
        rolling.pop("maxUnavailable", None)


def _spec(spec: Object, *, created: bool) -> list[FieldError]:
    """``created``: what an update cannot change is judged as well."""
    out: list[FieldError] = []
    if (policy := spec.get("podManagementPolicy")) not in ("OrderedReady", "Parallel"):
        out.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    out += _update_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    for field, value in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
        if value not in _RETAIN:
            out.append(unsupported(f"spec.persistentVolumeClaimRetentionPolicy.{field}", value, _RETAIN))
    for i, claim in enumerate(spec.get("volumeClaimTemplates") or () if created else ()):
        path = f"spec.volumeClaimTemplates[{i}].spec"
        out += persistentvolumeclaims.validate_spec(claim.get("spec") or {}, path)
    if created and (service := spec.get("serviceName")):
        out += checks.named(names.dns1123_label, "spec.serviceName", service)
    out += workloads.replicas(spec) + workloads.counts(spec, "minReadySeconds")
    out += checks.non_negative((spec.get("ordinals") or {}).get("start"), "spec.ordinals.start")
    out += workloads.selector_errors(spec, "statefulset")
    return out + workloads.template_errors(_as_pods_see_it(spec), "StatefulSet")


def _update_strategy(strategy: Object, path: str) -> list[FieldError]:
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind not in ("RollingUpdate", "OnDelete"):
        return [invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")]
    if rolling is None:
        return []
    at = f"{path}.rollingUpdate"
    if kind == "OnDelete":
        return [invalid(at, rolling, "only allowed for updateStrategy 'RollingUpdate'")]
    out = checks.non_negative(rolling.get("partition"), f"{at}.partition")
    if (most := rolling.get("maxUnavailable")) is not None:
        out += checks.percent_or_count(most, f"{at}.maxUnavailable")
        if workloads.int_or_percent(most) == 0:
            out.append(invalid(f"{at}.maxUnavailable", most, "cannot be 0"))
        out += checks.at_most_hundred(most, f"{at}.maxUnavailable")
    return out


def _fixed(spec: Object) -> Object:
    return {k: v for k, v in spec.items() if k not in _MAY_CHANGE}


def _as_pods_see_it(spec: Object) -> Object:
    """The spec with a volume for each claim template, which the pods' mounts may name, and without the hostname and
    subdomain, which the controller sets."""
    template = spec.get("template") or {}
    pod = {k: v for k, v in (template.get("spec") or {}).items() if k not in ("hostname", "subdomain")}
    claims = spec.get("volumeClaimTemplates") or ()
    named = dict.fromkeys((c.get("metadata") or {}).get("name") or "" for c in claims)
    if not named:
        return {**spec, "template": {**template, "spec": pod}}
    own = [v for v in pod.get("volumes") or () if v.get("name") not in named]
    volumes = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in named] + own
    return {**spec, "template": {**template, "spec": {**pod, "volumes": volumes}}}
