"""What a Job's status may become: conditions that do not contradict each other, counters that do not go back.

Most rules apply only to what a write changes, so that what older versions stored stays writable.
Source: pkg/apis/batch/validation (validateJobStatus, ValidateJobStatusUpdate) and pkg/registry/batch/job/strategy.go.
"""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, duplicate, invalid, invalid_whole, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.jobpolicies import count_indexes, intervals

Object = dict[str, Any]
_COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
_TERMINAL = ("Failed", "Complete", "FailureTarget")


def _true(status: Object, condition: str, wanted: str = "True") -> bool:
    return any(c.get("type") == condition and c.get("status") == wanted for c in status.get("conditions") or ())


def _finished(status: Object) -> bool:
    return _true(status, "Complete") or _true(status, "Failed")


def validate(new: Object, old: Object) -> list[FieldError]:
    """A write of the status subresource."""
    status, before, spec = new.get("status") or {}, old.get("status") or {}, new.get("spec") or {}
    out = [e for f in _COUNTS for e in checks.non_negative(status.get(f), f"status.{f}")]
    out += _uncounted(status.get("uncountedTerminatedPods") or {})
    changed = {f: status.get(f) != before.get(f) for f in (*status, *before)}
    ended = _finished(status) != _finished(before)
    out += _conditions(status, before, spec)
    out += _times(status, before, spec, changed)
    out += _indexes(status, spec, changed)
    if _finished(status):
        for count in ("active", "terminating"):
            if (ended or changed.get(count)) and (status.get(count) or 0) > 0:
                out.append(invalid(f"status.{count}", status[count], f"{count}>0 is invalid for finished job"))
        left = status.get("uncountedTerminatedPods") or {}
        if (ended or changed.get("uncountedTerminatedPods")) and any(left.get(f) for f in ("succeeded", "failed")):
            out.append(invalid("status.uncountedTerminatedPods", left, "must be empty for finished job"))
    if (changed.get("ready") or changed.get("active")) and (status.get("ready") or 0) > (status.get("active") or 0):
        out.append(invalid("status.ready", status["ready"], "cannot set more ready pods than active"))
    indexed = spec.get("completionMode") == "Indexed"
    fixed = {"failed": True, "succeeded": not indexed or spec.get("completions") != spec.get("parallelism")}
    for count, holds in fixed.items():
        if holds and (status.get(count) or 0) < (before.get(count) or 0):
            out.append(invalid(f"status.{count}", status.get(count) or 0, f"cannot decrease the {count} counter"))
    return out


def _uncounted(pods: Object) -> list[FieldError]:
    out = []
    seen: set[str] = set()
    for field in ("succeeded", "failed"):
        for i, uid in enumerate(pods.get(field) or ()):
            path = f"status.uncountedTerminatedPods.{field}[{i}]"
            if not uid:
                out.append(invalid(path, uid, "must not be empty"))
            elif uid in seen:
                out.append(duplicate(path, uid))
            seen.add(uid)
    return out


def _conditions(status: Object, before: Object, spec: Object) -> list[FieldError]:
    """Pairs of conditions that exclude or need each other."""
    has = {c: _true(status, c) for c in (*_TERMINAL, "SuccessCriteriaMet")}
    had = {c: _true(before, c) for c in has}
    moved = {c: has[c] != had[c] for c in has}
    rules = (
        (has["Complete"] and has["Failed"] and (moved["Complete"] or moved["Failed"]),
         "cannot set Complete=True and Failed=true conditions"),
        (has["Complete"] and has["FailureTarget"] and (moved["Complete"] or moved["FailureTarget"]),
         "cannot set Complete=True and FailureTarget=true conditions"),
        (has["Failed"] and not has["FailureTarget"]
         and (moved["Failed"] or status.get("failedIndexes") != before.get("failedIndexes")),
         "cannot set Failed=True condition without the FailureTarget=true condition"),
        (has["Complete"] and not has["SuccessCriteriaMet"] and (moved["Complete"] or moved["SuccessCriteriaMet"]),
         "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"),
        (has["SuccessCriteriaMet"] and has["Failed"],
         "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
        (has["SuccessCriteriaMet"] and has["FailureTarget"],
         "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
        (spec.get("successPolicy") and has["Complete"] and not has["SuccessCriteriaMet"],
         "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"),
        *((had[c] and not has[c], f"cannot disable the terminal {c}=True condition") for c in _TERMINAL),
        (had["SuccessCriteriaMet"] and not has["SuccessCriteriaMet"],
         "cannot disable the SuccessCriteriaMet=True condition"),
        (had["Complete"] and not had["SuccessCriteriaMet"] and has["SuccessCriteriaMet"],
         "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"),
    )  # fmt: skip
    return [invalid_whole("status.conditions", words) for broken, words in rules if broken]


def _times(status: Object, before: Object, spec: Object, changed: dict[str, bool]) -> list[FieldError]:
    start, ended, complete = status.get("startTime"), status.get("completionTime"), _true(status, "Complete")
    out: list[FieldError] = []
    path = "status.completionTime"
    if changed.get("completionTime") or complete != _true(before, "Complete"):
        if ended is not None and not complete:
            words = "cannot set completionTime when there is no Complete=True condition"
            out.append(invalid(path, ended, words))
        if ended is None and complete:
            out.append(required(path, "completionTime is required for Complete jobs"))
    if (changed.get("startTime") or changed.get("completionTime")) and start and ended and ended < start:
        out.append(invalid(path, ended, "must be equal to or after `startTime`"))
    if ended and before.get("completionTime") and changed.get("completionTime"):
        out.append(invalid(path, ended, checks.IMMUTABLE))
    idle = spec.get("suspend") is True and spec.get("completions") == 0
    if _finished(status) and start is None and not idle and (changed.get("startTime") or not _finished(before)):
        out.append(required("status.startTime", "startTime is required for finished job"))
    resuming = _true(before, "Suspended") and _true(status, "Suspended", "False")
    if changed.get("startTime") and before.get("startTime") and not resuming and not spec.get("suspend"):
        out.append(invalid("status.startTime", start, "field is immutable for unsuspended job once set"))
    return out


def _indexes(status: Object, spec: Object, changed: dict[str, bool]) -> list[FieldError]:
    completed, failed = status.get("completedIndexes") or "", status.get("failedIndexes")
    completions, per_index = spec.get("completions"), spec.get("backoffLimitPerIndex") is not None
    out: list[FieldError] = []
    for field, text, counts in (("completedIndexes", completed, True), ("failedIndexes", failed or "", per_index)):
        if not changed.get(field):
            continue
        if completions is not None and counts:
            try:
                count_indexes(text, completions)
            except ValueError as e:
                out.append(invalid(f"status.{field}", text, f"error parsing {field}: {e}"))
    if changed.get("completedIndexes") and completed and spec.get("completionMode") != "Indexed":
        words = "cannot set non-empty completedIndexes when non-indexed completion mode"
        out.append(invalid("status.completedIndexes", completed, words))
    if changed.get("failedIndexes") and failed is not None and not per_index:
        words = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        out.append(invalid("status.failedIndexes", failed, words))
    if completions is not None and failed and (changed.get("failedIndexes") or changed.get("completedIndexes")):
        try:
            done, lost = list(intervals(completed, completions)), list(intervals(failed, completions))
        except ValueError:
            return out  # said above
        for first, last in lost:
            both = next((max(first, a) for a, b in done if a <= last and first <= b), None)
            if both is not None:
                words = f"failedIndexes and completedIndexes overlap at index: {both}"
                return [*out, invalid("status.failedIndexes", failed, words)]
    return out
