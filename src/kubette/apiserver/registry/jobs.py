"""Jobs: defaults, the generated selector, what may change.

Source: pkg/registry/batch/job, batch/v1/defaults.go, batch/validation (ValidateJob).
"""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, forbidden, invalid, required
from kubette.apiserver.registry import checks, podtemplate, workloads
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
_BACKOFF, _BACKOFF_BY_INDEX = 6, 2147483647
RESTART = ("OnFailure", "Never")
_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip


def default_spec(spec: Object) -> None:
    """SetDefaults_Job."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    workloads.set_default(spec, "parallelism", 1)
    by_index = spec.get("backoffLimitPerIndex") is not None
    workloads.set_default(spec, "backoffLimit", _BACKOFF_BY_INDEX if by_index else _BACKOFF)
    workloads.set_default(spec, "completionMode", "NonIndexed")
    workloads.set_default(spec, "suspend", False)
    replacement = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    workloads.set_default(spec, "podReplacementPolicy", replacement)
    podtemplate.default(spec.get("template"))


def validate_spec(spec: Object, path: str) -> list[FieldError]:
    """A JobSpec, of a Job or of a CronJob's template."""
    out: list[FieldError] = []
    for field in _COUNTS:
        out += checks.non_negative(spec.get(field), f"{path}.{field}")
    if (mode := spec.get("completionMode")) is not None:
        out += checks.if_set(mode, ("Indexed", "NonIndexed"), f"{path}.completionMode")
        if mode == "Indexed" and spec.get("completions") is None:
            words = "when completion mode is Indexed"
            out.append(required(f"{path}.completions", words))
    replacement = spec.get("podReplacementPolicy")
    out += checks.if_set(replacement, ("Failed", "TerminatingOrFailed"), f"{path}.podReplacementPolicy")
    template = spec.get("template")
    out += podtemplate.validate(template, f"{path}.template")
    policy = ((template or {}).get("spec") or {}).get("restartPolicy")
    if template is not None and policy not in RESTART:
        words = 'valid values: "OnFailure", "Never"'
        out.append(required(f"{path}.template.spec.restartPolicy", words))
    if spec.get("podFailurePolicy") and policy != "Never":
        words = 'only "Never" is supported when podFailurePolicy is specified'
        out.append(invalid(f"{path}.template.spec.restartPolicy", policy or "", words))
    return out


class Jobs(Strategy):
    selectable_fields = {  # noqa: RUF012
        "status.successful": lambda o: str((o.get("status") or {}).get("succeeded") or 0),
    }

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        default_spec(spec)
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
        if labels and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {}
        spec, meta = obj["spec"], obj["metadata"]
        if not spec.get("manualSelector") and spec.get("template") is not None:
            _generate_selector(spec, meta.get("name", ""), meta.get("uid", ""))

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = validate_spec(spec, "spec")
        selector = spec.get("selector")
        if selector is None:
            out.append(required("spec.selector"))
            return out
        out += checks.label_selector(selector, "spec.selector")
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
        uid = obj["metadata"].get("uid")
        if not spec.get("manualSelector"):
            wanted = [{"matchLabels": {label: uid}} for label in _UID_LABELS]
            if selector not in wanted:
                words = "`selector` not auto-generated"
                out.append(invalid("spec.selector", selector, words))
        matcher = workloads.compiled(selector)
        if matcher is None or not matcher.matches(labels):
            words = "`selector` does not match template `labels`"
            out.append(invalid("spec.template.metadata.labels", labels, words))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return workloads.status_errors(new, old)
        out = validate_spec(new["spec"], "spec")
        spec, before = new["spec"], old["spec"]
        for field in ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy"):
            out += checks.immutable(spec.get(field), before.get(field), f"spec.{field}")
        if spec.get("completions") != before.get("completions"):
            elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
            if not elastic:
                out += checks.immutable(spec.get("completions"), before.get("completions"), "spec.completions")
        if not _template_may_change(old):
            out += checks.immutable(spec.get("template"), before.get("template"), "spec.template")
        return out


def _template_may_change(old: Object) -> bool:
    """A suspended job that has not started may get other scheduling directives."""
    status = old.get("status") or {}
    return bool(old["spec"].get("suspend")) and not status.get("startTime")


def _generate_selector(spec: Object, name: str, uid: str) -> None:
    """Select by the job's uid, which nobody else can have."""
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for label in _UID_LABELS:
        labels[label] = uid
    for label in _NAME_LABELS:
        labels[label] = name
    chosen = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    chosen.setdefault(_UID_LABELS[0], uid)


def manual_selector_in_template(spec: Object, path: str) -> list[FieldError]:
    """A CronJob's jobs make their own selectors."""
    if spec.get("manualSelector"):
        return [forbidden(f"{path}.manualSelector", "must be nil or false")]
    if spec.get("selector") is not None:
        return [invalid(f"{path}.selector", spec["selector"], "`selector` will be auto-generated")]
    return []
