"""APIServices. Source: k8s.io/kube-aggregator/pkg/apis/apiregistration/{v1/defaults.go,validation}."""

from __future__ import annotations

import base64
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_MOST_GROUP, _MOST_VERSION = 20000, 1000
_STATES = ("True", "False", "Unknown")


class APIServices(Strategy):
    def default(self, obj: Object) -> None:
        if (service := obj.setdefault("spec", {}).get("service")) is not None:
            service.setdefault("port", 443)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {}
        if obj["spec"].get("service") is None:
            condition = {
                "type": "Available", "status": "True", "lastTransitionTime": ctx.now(), "reason": "Local",
                "message": "Local APIServices are always available",
            }  # fmt: skip
            obj["status"]["conditions"] = [condition]

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        group, version, name = spec.get("group") or "", spec.get("version") or "", obj["metadata"].get("name") or ""
        out: list[FieldError] = []
        if name and name != (wanted := f"{version}.{group}") and not names.path_segment_name(name):
            out.append(invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
        if group:
            out += checks.named(names.dns1123_subdomain, "spec.group", group)
        elif version != "v1":
            out.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
        out += checks.named(names.dns1035_label, "spec.version", version)
        for field, most in (("groupPriorityMinimum", _MOST_GROUP), ("versionPriority", _MOST_VERSION)):
            value = spec.get(field) or 0
            if not 0 < value <= most:
                out.append(invalid(f"spec.{field}", value, f"must be positive and less than {most}"))
        return out + _service(spec)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource != "status":
            return self.validate(new, ctx)
        out: list[FieldError] = []
        for i, condition in enumerate((new.get("status") or {}).get("conditions") or ()):
            if (state := condition.get("status") or "") not in _STATES:
                out.append(unsupported(f"status.conditions[{i}].status", state, _STATES))
        return out


def _service(spec: Object) -> list[FieldError]:
    service, insecure, bundle = spec.get("service"), spec.get("insecureSkipTLSVerify"), spec.get("caBundle") or ""
    out: list[FieldError] = []
    if service is None:
        if bundle:
            size = len(base64.b64decode(bundle))
            out.append(invalid("spec.caBundle", f"{size} bytes", "local APIServices may not have a caBundle"))
        if insecure:
            words = "local APIServices may not have insecureSkipTLSVerify"
            out.append(invalid("spec.insecureSkipTLSVerify", insecure, words))
        return out
    out += [required(f"spec.service.{f}") for f in ("namespace", "name") if not service.get(f)]
    if found := names.port_number(service["port"]):
        out.append(invalid("spec.service.port", service["port"], f"port is not valid: {', '.join(found)}"))
    if insecure and bundle:
        out.append(invalid("spec.insecureSkipTLSVerify", insecure, "may not be true if caBundle is present"))
    return out
