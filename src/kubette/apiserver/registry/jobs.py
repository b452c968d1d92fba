"""Jobs: defaults, the generated selector, what may change.

Source: pkg/registry/batch/job, batch/v1/defaults.go, batch/validation (ValidateJob).
"""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required, too_long, unsupported
from kubette.apiserver.registry import checks, jobpolicies, jobstatus, podtemplate, podwarnings, workloads
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
_BACKOFF, _BACKOFF_BY_INDEX = 6, 2147483647
RESTART = ("OnFailure", "Never")
_MODES = ("NonIndexed", "Indexed")
_NEEDS_INDEXED = "requires indexed completion mode"
_MAX_PARALLELISM = _MAX_FAILED = _MANY = 100_000
_MAX_OF_MANY = 10_000
_MAX_MANAGED_BY = 63
_IMMUTABLE = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
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
    replacement = "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed"
    workloads.set_default(spec, "podReplacementPolicy", replacement)
    default_parts(spec)


def default_parts(spec: Object) -> None:
    """What a CronJob's template of a job gets as well."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"
    podtemplate.default(spec.setdefault("template", {}))


def validate_spec(spec: Object, path: str) -> list[FieldError]:
    """A JobSpec, of a Job or of a CronJob's template."""
    out = [e for f in _COUNTS for e in checks.non_negative(spec.get(f), f"{path}.{f}")]
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        out.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if (manager := spec.get("managedBy")) is not None:
        out += _managed_by(manager, f"{path}.managedBy")
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        out.append(unsupported(f"{path}.completionMode", mode, _MODES))
    if mode == "Indexed":
        out += _indexed(spec, path)
    elif mode in (None, "NonIndexed"):
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                out.append(invalid(f"{path}.{field}", spec[field], _NEEDS_INDEXED))
    if spec.get("podFailurePolicy") is not None:
        out += jobpolicies.failure_policy(spec, f"{path}.podFailurePolicy")
    if (success := spec.get("successPolicy")) is not None:
        if mode != "Indexed":
            out.append(invalid(f"{path}.successPolicy", success, _NEEDS_INDEXED))
        else:
            out += jobpolicies.success_policy(spec, f"{path}.successPolicy")
    if replacement := spec.get("podReplacementPolicy"):
        allowed = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
        out += checks.if_set(replacement, allowed, f"{path}.podReplacementPolicy")
    out += podtemplate.validate(spec.get("template"), f"{path}.template")
    return out + _restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _managed_by(manager: str, path: str) -> list[FieldError]:
    out = [required(path)] if not manager else checks.domain_prefixed_path(manager, path)
    return [*out, too_long(path, _MAX_MANAGED_BY)] if len(manager) > _MAX_MANAGED_BY else out


def _indexed(spec: Object, path: str) -> list[FieldError]:
    """Limits that keep the lists of indexes in the status short."""
    completions, parallelism, failed = (spec.get(f) for f in ("completions", "parallelism", "maxFailedIndexes"))
    out: list[FieldError] = []
    if completions is None:
        out.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism is not None and parallelism > _MAX_PARALLELISM:
        words = f"must be less than or equal to {_MAX_PARALLELISM} when completion mode is Indexed"
        out.append(invalid(f"{path}.parallelism", parallelism, words))
    if completions is not None and failed is not None and failed > completions:
        out.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
    if failed is not None and failed > _MAX_FAILED:
        out.append(invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_MAX_FAILED}"))
    if completions is None or completions <= _MANY or spec.get("backoffLimitPerIndex") is None:
        return out
    if failed is None:
        out.append(required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {_MANY}"))
    for field, value in (("parallelism", parallelism), ("maxFailedIndexes", failed)):
        if value is not None and value > _MAX_OF_MANY:
            words = f"when completions are above {_MANY} and used with backoff limit per index"
            out.append(invalid(f"{path}.{field}", value, f"must be less than or equal to {_MAX_OF_MANY} {words}"))
    return out


def _restart_policy(spec: Object, path: str) -> list[FieldError]:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") or ""
    if policy in ("", "Always"):
        return [required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in RESTART:
        return [unsupported(path, policy, RESTART)]
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        return [invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def warnings_of_spec(new: Object, path: str) -> list[str]:
    """Warnings for a JobSpec, of a Job or of a CronJob's template."""
    out = []
    completions, parallelism = new.get("completions") or 0, new.get("parallelism") or 0
    if new.get("completionMode") == "Indexed" and completions > _MANY and parallelism > _MAX_OF_MANY:
        out.append(
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    return out + podwarnings.of_template(new.get("template"), f"{path}.template")


class Jobs(Strategy):
    selectable_fields = {  # noqa: RUF012
        "status.successful": lambda o: str((o.get("status") or {}).get("succeeded") or 0),
    }

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        default_spec(spec)
        workloads.set_default(spec, "manualSelector", False)
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
        if labels and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = labels  # the same dict: what is generated for the template appears in both

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {}
        spec, meta = obj["spec"], obj["metadata"]
        if spec.get("template") is not None:
            podtemplate.drop_disabled(spec["template"])
            if not spec.get("manualSelector"):
                _generate_selector(spec, meta.get("name", ""), meta.get("uid", ""))
                labels = spec["template"]["metadata"]["labels"]
                if not meta.get("labels") or meta["labels"] is labels:
                    meta["labels"] = dict(labels)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        if not ctx.subresource:
            podtemplate.drop_disabled(new["spec"].get("template"), old["spec"].get("template"))
        super().prepare_update(new, old, ctx)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return _generated_selector(obj) + _spec_with_selector(obj["spec"]) + _hostnames(obj)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return jobstatus.validate(new, old)
        spec, before = new["spec"], old["spec"]
        out = self.validate(new, ctx) + _completions(spec, before)
        out += checks.immutable(spec.get("selector"), before.get("selector"), "spec.selector")
        out += _template_update(spec, old)
        for field in _IMMUTABLE:
            out += checks.immutable(spec.get(field), before.get(field), f"spec.{field}")
        return out

    def warnings_on_create(self, obj: Object, ctx: Context) -> list[str]:
        return podwarnings.of_name(obj, podwarnings.POD_NAMES) + warnings_of_spec(obj["spec"], "spec")

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> list[str]:
        return warnings_of_spec(new["spec"], "spec") if podwarnings.spec_changed(new, old) else []


def _generated_selector(job: Object) -> list[FieldError]:
    """The selector and labels that the server writes, unless ``manualSelector``."""
    spec, meta = job["spec"], job["metadata"]
    if spec.get("manualSelector") or spec.get("selector") is None:
        return []
    name, uid = meta.get("name", ""), meta.get("uid", "")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    expected = {**dict.fromkeys(_UID_LABELS, uid), **dict.fromkeys(_NAME_LABELS, name)}
    out: list[FieldError] = []
    for label in (_UID_LABELS[1], _NAME_LABELS[1], _UID_LABELS[0], _NAME_LABELS[0]):
        at, words = f"spec.template.metadata.labels[{label}]", f"must be '{expected[label]}'"
        if label not in labels:
            out.append(required(at, words))
        elif labels[label] != expected[label]:
            out.append(invalid(at, dict(sorted(labels.items())), words))
    matcher = workloads.compiled(spec["selector"])
    if matcher is not None and not matcher.matches(expected):
        out.append(invalid("spec.selector", spec["selector"], "`selector` not auto-generated"))
    return out


def _spec_with_selector(spec: Object) -> list[FieldError]:
    out, selector = validate_spec(spec, "spec"), spec.get("selector")
    if selector is None:
        return [*out, required("spec.selector")]
    out += checks.label_selector(selector, "spec.selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    matcher = workloads.compiled(selector)
    if matcher is not None and not matcher.matches(labels):
        words = "`selector` does not match template `labels`"
        out.append(invalid("spec.template.metadata.labels", dict(sorted(labels.items())), words))
    return out


def _hostnames(job: Object) -> list[FieldError]:
    """The last pod of an Indexed job is named after the job and its index."""
    spec, name = job["spec"], job["metadata"].get("name") or ""
    if spec.get("completionMode") != "Indexed" or (spec.get("completions") or 0) <= 0:
        return []
    longest = f"{name}-{spec['completions'] - 1}"
    if not names.dns1123_label(longest):
        return []
    return [invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {longest}")]


def _completions(spec: Object, before: Object) -> list[FieldError]:
    now, was = spec.get("completions"), before.get("completions")
    if spec.get("completionMode") != "Indexed":
        return checks.immutable(now, was, "spec.completions")
    if now in (was, None) or now == spec.get("parallelism"):
        return []
    return [invalid("spec.completions", now, "can only be modified in tandem with spec.parallelism")]


def _template_update(spec: Object, old: Object) -> list[FieldError]:
    """Of a suspended job without pods the scheduling directives and resources may change, nothing else."""
    now, was = spec.get("template") or {}, old["spec"].get("template") or {}
    if now == was:
        return []
    if not _no_pods(old):
        return checks.immutable(now, was, "spec.template")
    was = _with_directives(was, now)
    pod, before = now.get("spec") or {}, was.get("spec") or {}
    return checks.immutable(pod, _with_resources(before, pod), "spec.template.spec")


def _no_pods(job: Object) -> bool:
    status = job.get("status") or {}
    suspended = any(
        c.get("type") == "Suspended" and c.get("status") == "True" for c in status.get("conditions") or ()
    )
    return bool(job["spec"].get("suspend")) and (not status.get("startTime") or suspended) and not status.get("active")


def _with_directives(was: Object, now: Object) -> Object:
    """``was`` with the labels, annotations and scheduling directives of ``now``."""
    pod, wanted = dict(was.get("spec") or {}), now.get("spec") or {}
    for field in ("nodeSelector", "tolerations", "schedulingGates"):
        _take(pod, wanted, field)
    affinity = dict(pod.get("affinity") or {})
    _take(affinity, wanted.get("affinity") or {}, "nodeAffinity")
    if affinity or wanted.get("affinity") is not None:
        pod["affinity"] = affinity
    else:
        pod.pop("affinity", None)
    meta = dict(was.get("metadata") or {})
    for field in ("labels", "annotations"):
        _take(meta, now.get("metadata") or {}, field)
    return {**was, "metadata": meta, "spec": pod}


def _with_resources(pod: Object, wanted: Object) -> Object:
    """``pod`` with the resources of the containers of ``wanted`` that have the same place and name."""
    out = dict(pod)
    for field in ("containers", "initContainers"):
        had, has = pod.get(field) or [], wanted.get(field) or []
        if had and len(had) == len(has):
            pairs = zip(had, has, strict=True)
            out[field] = [_take(dict(a), b, "resources") if a.get("name") == b.get("name") else a for a, b in pairs]
    return out


def _take(into: Object, source: Object, field: str) -> Object:
    if source.get(field) is not None:
        into[field] = source[field]
    else:
        into.pop(field, None)
    return into


def _generate_selector(spec: Object, name: str, uid: str) -> None:
    """Select by the job's uid, which no other job has. Labels that are there stay: validation compares them."""
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for label in _UID_LABELS:
        labels.setdefault(label, uid)
    for label in _NAME_LABELS:
        labels.setdefault(label, name)
    chosen = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    chosen.setdefault(_UID_LABELS[0], uid)


def manual_selector_in_template(spec: Object, path: str) -> list[FieldError]:
    """A CronJob's jobs make their own selectors."""
    out: list[FieldError] = []
    if spec.get("selector") is not None:
        out.append(invalid(f"{path}.selector", spec["selector"], "`selector` will be auto-generated"))
    if spec.get("manualSelector"):
        out.append(unsupported(f"{path}.manualSelector", True, ("nil", "false")))
    return out
