"""The pod template of a workload: one module for every kind that has one.

Source: pkg/apis/core/validation (ValidatePodTemplateSpec) and apps/validation (…ForReplicaSet).
"""

from __future__ import annotations

from typing import Any

from kubette.api import selectors
from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import podannotations, poddefaults, podvalidation
from kubette.apiserver.registry.objectmeta import check_annotations, check_labels

Object = dict[str, Any]
_MISMATCH = "`selector` does not match template `labels`"


def default(template: Object | None) -> None:
    """Fill in a template; Go's zero metadata shows as null there."""
    if template is None:
        return
    template.setdefault("metadata", {})
    poddefaults.default_template(template.setdefault("spec", {}))


def drop_disabled(template: Object | None, old: Object | None = None) -> None:
    """Drop the fields of pods whose feature gates are off, unless ``old`` has them."""
    if template is not None:
        poddefaults.drop_disabled(template.get("spec") or {}, (old or {}).get("spec") or {})


def validate(template: Object | None, path: str) -> list[FieldError]:
    """Labels, annotations and the pod spec below ``path``."""
    if template is None:
        return [required(path)]
    meta = template.get("metadata") or {}
    out = check_labels(meta.get("labels") or {}, f"{path}.labels")
    spec = template.get("spec") or {}
    if annotations := meta.get("annotations"):
        out += check_annotations(annotations, f"{path}.annotations")
        out += podannotations.validate(annotations, spec, f"{path}.annotations")
        out += podannotations.matches_fields(annotations, spec, f"{path}.spec")
    out += podvalidation.validate(spec, f"{path}.spec", podvalidation.context(spec))
    if spec.get("ephemeralContainers"):
        words = "ephemeral containers not allowed in pod template"
        out.append(forbidden(f"{path}.spec.ephemeralContainers", words))
    return out


def validate_for(
    template: Object | None, selector: selectors.LabelSelector | None, path: str, kind: str
) -> list[FieldError]:
    """As ``validate``, and the labels match ``selector``, and the pods restart always. ``kind``: how upstream calls
    the controller."""
    if template is None:
        return [required(path)]
    out: list[FieldError] = []
    labels = (template.get("metadata") or {}).get("labels") or {}
    if selector is not None and not selector.matches(labels):
        out.append(invalid(f"{path}.metadata.labels", dict(sorted(labels.items())) or None, _MISMATCH))
    out += validate(template, path)
    spec = template.get("spec") or {}
    if (policy := spec.get("restartPolicy") or "") != "Always":
        out.append(unsupported(f"{path}.spec.restartPolicy", policy, ("Always",)))
    if spec.get("activeDeadlineSeconds") is not None:
        words = f"activeDeadlineSeconds in {kind} is not Supported"
        out.append(forbidden(f"{path}.spec.activeDeadlineSeconds", words))
    return out
