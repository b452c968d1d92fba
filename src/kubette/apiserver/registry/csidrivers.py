"""CSIDrivers. Source: pkg/apis/storage/{v1/defaults.go,validation}, pkg/registry/storage/csidriver."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api.errors import FieldError, duplicate, invalid, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_DEFAULTS = {
    "attachRequired": True, "podInfoOnMount": False, "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType", "requiresRepublish": False, "seLinuxMount": False,
}  # fmt: skip
_FS_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES = ("Persistent", "Ephemeral")
_TOKENS_WARNING = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
    "logging of tokens in volume attributes"
)


class CSIDrivers(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        for field, value in _DEFAULTS.items():
            spec.setdefault(field, value)
        if not spec.get("volumeLifecycleModes"):
            spec["volumeLifecycleModes"] = ["Persistent"]

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        obj["spec"].pop("preventPodSchedulingIfMissing", None)  # its feature gate is off

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        new["spec"].pop("preventPodSchedulingIfMissing", None)
        if new["spec"] != old["spec"]:
            new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = checks.known(spec["fsGroupPolicy"], _FS_GROUP_POLICIES, "spec.fsGroupPolicy")
        requests = spec.get("tokenRequests") or []
        out += _tokens(requests, "spec.tokenRequests")
        for mode in spec["volumeLifecycleModes"]:
            if mode not in _LIFECYCLES:
                out.append(unsupported("spec.volumeLifecycleModes", mode, _LIFECYCLES))
        period = spec.get("nodeAllocatableUpdatePeriodSeconds")
        if period is not None and period < 10:
            words = "must be greater than or equal to 10 seconds"
            out.append(invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, words))
        in_secrets = spec.get("serviceAccountTokenInSecrets")
        if in_secrets is not None and not requests:
            words = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
            out.append(invalid("spec.serviceAccountTokenInSecrets", in_secrets, words))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = self.validate(new, ctx)
        spec, before = new["spec"], old["spec"]
        out += checks.immutable(spec.get("attachRequired"), before.get("attachRequired"), "spec.attachedRequired")
        modes = "volumeLifecycleModes"
        return out + checks.immutable(spec.get(modes), before.get(modes), f"spec.{modes}")

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        spec = obj["spec"]
        if spec.get("tokenRequests") and spec.get("serviceAccountTokenInSecrets") is None:
            yield _TOKENS_WARNING

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        if new["spec"].get("tokenRequests") != old["spec"].get("tokenRequests"):
            yield from self.warnings_on_create(new, ctx)


def _tokens(requests: list[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, request in enumerate(requests):
        audience = request.get("audience") or ""
        if audience in seen:
            out.append(duplicate(f"{path}[{i}].audience", audience))
            continue
        seen.add(audience)
        out += checks.token_seconds(request.get("expirationSeconds"), f"{path}[{i}].expirationSeconds")
    return out
