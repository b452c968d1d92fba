"""PriorityClasses. Source: pkg/apis/scheduling/{v1/defaults.go,validation}."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, Forbidden, forbidden
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_HIGHEST = 1000000000
_SYSTEM = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}


class PriorityClasses(Strategy):
    def default(self, obj: Object) -> None:
        if not obj.get("preemptionPolicy"):
            obj["preemptionPolicy"] = "PreemptLowerPriority"
        obj.setdefault("value", 0)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        self._only_default(obj, ctx)
        name, value = obj["metadata"].get("name") or "", obj.get("value") or 0
        out: list[FieldError] = []
        if name.startswith("system-"):
            if why := _system_error(name, value, bool(obj.get("globalDefault"))):
                words = f"priority class names with 'system-' prefix are reserved for system use only. error: {why}"
                out.append(forbidden("metadata.name", words))
        elif value > _HIGHEST:
            words = f"maximum allowed value of a user defined priority is {_HIGHEST}"
            out.append(forbidden("value", words))
        policies = ("Never", "PreemptLowerPriority")
        return out + checks.one_of(obj.get("preemptionPolicy"), policies, "preemptionPolicy")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        self._only_default(new, ctx)
        out = []
        if (new.get("value") or 0) != (old.get("value") or 0):
            out.append(forbidden("value", "may not be changed in an update."))
        now, before = new.get("preemptionPolicy"), old.get("preemptionPolicy")
        return out + checks.immutable(now, before, "preemptionPolicy")

    def _only_default(self, obj: Object, ctx: Context) -> None:
        """Raises Forbidden where another class is the default already (upstream: the Priority admission)."""
        if not obj.get("globalDefault"):
            return
        name = obj["metadata"]["name"]
        for other in ctx.reader.list(self.kind):
            if other.get("globalDefault") and other["metadata"]["name"] != name:
                raise Forbidden(
                    f'{self.kind.group_resource} "{name}" is forbidden: PriorityClass {other["metadata"]["name"]} is '
                    "already marked as default. Only one default can exist",
                    details={"name": name, "group": self.kind.group, "kind": self.kind.plural},
                )


def _system_error(name: str, value: int, default: bool) -> str:
    """Why this is no priority class of the system; empty: it is one."""
    if name not in _SYSTEM:
        return f"{name} is not a known system priority class"
    if value != _SYSTEM[name]:
        return f"value of {name} PriorityClass must be {_SYSTEM[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if default else ""
