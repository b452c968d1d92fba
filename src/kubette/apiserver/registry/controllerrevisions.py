"""ControllerRevisions: a state that a controller may come back to, so it never changes.

Source: pkg/registry/apps/controllerrevision, apps/validation (ValidateControllerRevision).
"""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class ControllerRevisions(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out, data = checks.non_negative(obj.get("revision"), "revision"), obj.get("data")
        if data is None:
            out.append(required("data", "data is mandatory"))
        elif not isinstance(data, dict):
            out.append(required("data", "data must be a valid JSON object"))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = checks.non_negative(new.get("revision"), "revision")
        return out + checks.immutable(new.get("data"), old.get("data"), "data")
