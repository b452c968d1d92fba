"""Namespaces: phases, and the finalizer that lets the namespace controller empty them first.

Source: pkg/registry/core/namespace, core/validation (ValidateNamespace…).
"""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, Forbidden, invalid
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import check_standard_finalizer, qualified_name_errors

Object = dict[str, Any]
_NAME_LABEL = "kubernetes.io/metadata.name"
_PROTECTED = ("default", "kube-system", "kube-public")


class Namespaces(Strategy):
    selectable_fields = {  # noqa: RUF012
        "status.phase": lambda o: (o.get("status") or {}).get("phase") or "",
        "name": lambda o: (o.get("metadata") or {}).get("name") or "",
    }

    def default(self, obj: Object) -> None:
        meta = obj.setdefault("metadata", {})
        if meta.get("name"):
            meta.setdefault("labels", {})[_NAME_LABEL] = meta["name"]

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        finalizers = (obj.get("spec") or {}).get("finalizers") or []
        if "kubernetes" not in finalizers:
            finalizers = [*finalizers, "kubernetes"]
        obj["spec"] = {"finalizers": finalizers}
        obj["status"] = {"phase": "Active"}

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """Finalizers change through ``finalize`` only; nothing else changes there."""
        spec = new.get("spec") or {}
        if ctx.subresource == "finalize":
            if "status" in old:
                new["status"] = old["status"]
        else:
            spec = old.get("spec") or {}
        new["spec"] = spec

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return _finalizers(obj, "spec.finalizers")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            phase = (new.get("status") or {}).get("phase")
            if new["metadata"].get("deletionTimestamp"):
                if phase != "Terminating":
                    words = "may only be 'Terminating' if `deletionTimestamp` is not empty"
                    return [invalid("status.Phase", phase or "", words)]
            elif phase != "Active":
                words = "may only be 'Active' if `deletionTimestamp` is empty"
                return [invalid("status.Phase", phase or "", words)]
            return []
        if ctx.subresource == "finalize":
            return _finalizers(new, "spec.finalizers[{}]")
        return []

    def check_delete(self, obj: Object, ctx: Context) -> None:
        name = obj["metadata"]["name"]
        if name in _PROTECTED:
            raise Forbidden(
                f'namespaces "{name}" is forbidden: this namespace may not be deleted',
                details={"name": name, "kind": "namespaces"},
            )


def _finalizers(obj: Object, path: str) -> list[FieldError]:
    """``path`` may have a place for the index."""
    out: list[FieldError] = []
    for i, finalizer in enumerate((obj.get("spec") or {}).get("finalizers") or ()):
        at = path.format(i)
        out += [invalid(at, finalizer, m) for m in qualified_name_errors(finalizer)]
        out += check_standard_finalizer(finalizer, at)
    return out
