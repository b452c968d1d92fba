"""ControllerRevisions: a state that a controller may come back to, so it never changes.

Source: pkg/registry/apps/controllerrevision, apps/validation (ValidateControllerRevision).
"""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class ControllerRevisions(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return checks.non_negative(obj.get("revision"), "revision")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return self.validate(new, ctx) + checks.immutable(new.get("data"), old.get("data"), "data")
