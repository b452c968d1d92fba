"""PodTemplates: a pod template as an object of its own. Source: pkg/registry/core/podtemplate."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError
from kubette.apiserver.registry import podtemplate
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class PodTemplates(Strategy):
    def default(self, obj: Object) -> None:
        podtemplate.default(obj.get("template"))

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return podtemplate.validate(obj.get("template"), "template")
