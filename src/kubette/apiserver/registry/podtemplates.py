"""PodTemplates: a pod template as an object of its own. Source: pkg/registry/core/podtemplate."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError
from kubette.apiserver.registry import podtemplate, podwarnings
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class PodTemplates(Strategy):
    def default(self, obj: Object) -> None:
        podtemplate.default(obj.setdefault("template", {}))

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        podtemplate.drop_disabled(obj.get("template"))

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        podtemplate.drop_disabled(new.get("template"), old.get("template"))
        super().prepare_update(new, old, ctx)

    def warnings_on_create(self, obj: Object, ctx: Context) -> list[str]:
        return podwarnings.of_template(obj.get("template"), "template")

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> list[str]:
        return podwarnings.of_template(new.get("template"), "template") if podwarnings.spec_changed(new, old) else []

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return podtemplate.validate(obj.get("template"), "template")
