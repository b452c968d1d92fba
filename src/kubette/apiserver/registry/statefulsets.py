"""StatefulSets. Source: pkg/registry/apps/statefulset, apps/v1/defaults.go, apps/validation (ValidateStatefulSet)."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid
from kubette.apiserver.registry import checks, podtemplate, workloads
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_MAY_CHANGE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_RETAIN = ("Delete", "Retain")


class StatefulSets(Strategy):
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
            claim["status"] = {"phase": "Pending"}
        podtemplate.default(spec.get("template"))

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"replicas": 0, "availableReplicas": 0}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        policy, path = spec.get("podManagementPolicy"), "spec.podManagementPolicy"
        if policy not in ("OrderedReady", "Parallel"):
            words = "must be 'OrderedReady' or 'Parallel'"
            out = [invalid(path, policy, words)]
        else:
            out = []
        strategy, path = spec.get("updateStrategy") or {}, "spec.updateStrategy"
        if strategy.get("type") not in ("RollingUpdate", "OnDelete"):
            words = "must be 'RollingUpdate' or 'OnDelete'"
            out.append(invalid(path, strategy, words))
        elif strategy["type"] == "OnDelete" and strategy.get("rollingUpdate") is not None:
            words = "only allowed for updateStrategy 'RollingUpdate'"
            out.append(invalid(f"{path}.rollingUpdate", strategy["rollingUpdate"], words))
        partition = (strategy.get("rollingUpdate") or {}).get("partition")
        out += checks.non_negative(partition, f"{path}.rollingUpdate.partition")
        for field, value in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
            out += checks.one_of(value, _RETAIN, f"spec.persistentVolumeClaimRetentionPolicy.{field}")
        if service := spec.get("serviceName"):
            out += checks.named(names.dns1123_label, "spec.serviceName", service)
        out += workloads.counts(spec, "minReadySeconds", "revisionHistoryLimit")
        out += workloads.replicas(spec) + workloads.selector_errors(spec, "statefulset")
        return out + workloads.template_errors(_with_claims(spec))

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return workloads.status_errors(new, old)
        out = self.validate(new, ctx)
        fixed, before = _fixed(new["spec"]), _fixed(old["spec"])
        if fixed != before:
            listed = ", ".join(f"'{f}'" for f in _MAY_CHANGE[:-1]) + f" and '{_MAY_CHANGE[-1]}'"
            words = f"updates to statefulset spec for fields other than {listed} are forbidden"
            out.append(forbidden("spec", words))
        return out


def _fixed(spec: Object) -> Object:
    return {k: v for k, v in spec.items() if k not in _MAY_CHANGE}


def _with_claims(spec: Object) -> Object:
    """The spec with a volume for each claim template, which the pods' mounts may name."""
    claims = spec.get("volumeClaimTemplates")
    template = spec.get("template")
    if not claims or not template:
        return spec
    named = [c["metadata"]["name"] for c in claims if (c.get("metadata") or {}).get("name")]
    pod = template.get("spec") or {}
    have = [v for v in pod.get("volumes") or () if v.get("name") not in named]
    volumes = have + [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in named]
    return {**spec, "template": {**template, "spec": {**pod, "volumes": volumes}}}
