"""CronJobs. Source: pkg/registry/batch/cronjob, batch/v1/defaults.go, batch/validation (ValidateCronJob)."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import checks, jobs, podtemplate, podwarnings, workloads
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_MAX_NAME = 52
_ZONE_PART = re.compile(r"[A-Za-z._0-9+-]{1,14}")
_TZ_WARNING = (
    "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)
_POLICIES = ("Allow", "Forbid", "Replace")
#: name, lowest, highest value of each field of a schedule.
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 6))
_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day of week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def schedule_error(schedule: str) -> str:
    """Why a cron schedule cannot be parsed, or the empty string."""
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        zone, _, schedule = schedule.partition("=")[2].partition(" ")
        if _zone_error(zone):
            return f"provided bad location {zone}: unknown time zone {zone}"
        schedule = schedule.strip()
    if schedule.startswith("@"):
        if schedule in _DESCRIPTORS or re.fullmatch(r"@every ([0-9.]+(h|m|s|ms))+", schedule):
            return ""
        return f"unrecognized descriptor: {schedule}"
    parts = schedule.split()
    if len(parts) != len(_FIELDS):
        return f"expected exactly {len(_FIELDS)} fields, found {len(parts)}: [{' '.join(parts)}]"
    for text, (name, low, high) in zip(parts, _FIELDS, strict=True):
        for piece in text.split(","):
            if why := _range_error(piece, name, low, high):
                return why
    return ""


def _range_error(text: str, name: str, low: int, high: int) -> str:
    span, slash, step = text.partition("/")
    if slash and not (step.isdigit() and int(step) > 0):
        return f'failed to parse int from {step}: strconv.Atoi: parsing "{step}": invalid syntax'
    if span in ("*", "?"):
        return ""
    first, dash, last = span.partition("-")
    values = []
    for piece in (first, last) if dash else (first,):
        value = _number(piece, name, low)
        if value is None:
            return f'failed to parse int from {piece}: strconv.Atoi: parsing "{piece}": invalid syntax'
        values.append(value)
    if values[0] < low:
        return f"beginning of range ({values[0]}) below minimum ({low}): {text}"
    if values[-1] > high:
        return f"end of range ({values[-1]}) above maximum ({high}): {text}"
    if values[0] > values[-1]:
        return f"beginning of range ({values[0]}) beyond end of range ({values[-1]}): {text}"
    return ""


def _number(text: str, name: str, low: int) -> int | None:
    named = _NAMES.get(name, ())
    if text.lower() in named:
        return named.index(text.lower()) + low
    return int(text) if text.isdigit() else None


class CronJobs(Strategy):
    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        if not ctx.subresource:
            podtemplate.drop_disabled(_pod_template(new), _pod_template(old))
        super().prepare_update(new, old, ctx)

    def warnings_on_create(self, obj: Object, ctx: Context) -> list[str]:
        return podwarnings.of_name(obj, podwarnings.POD_NAMES) + _job_warnings(obj)

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> list[str]:
        out = _job_warnings(new) if podwarnings.spec_changed(new, old) else []
        if "TZ" in (new["spec"].get("schedule") or ""):
            out.append(_TZ_WARNING)
        return out

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("concurrencyPolicy"):
            spec["concurrencyPolicy"] = "Allow"
        workloads.set_default(spec, "suspend", False)
        workloads.set_default(spec, "successfulJobsHistoryLimit", 3)
        workloads.set_default(spec, "failedJobsHistoryLimit", 1)
        template = spec.setdefault("jobTemplate", {})
        template.setdefault("metadata", {})
        jobs.default_parts(template.setdefault("spec", {}))

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {}
        podtemplate.drop_disabled(_pod_template(obj))

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out = _spec(obj["spec"], {})
        name = obj["metadata"].get("name") or ""
        if len(name) > _MAX_NAME:
            out.append(invalid("metadata.name", name, f"must be no more than {_MAX_NAME} characters"))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return [] if ctx.subresource == "status" else _spec(new["spec"], old["spec"])


def _pod_template(obj: Object) -> Object:
    template: Object = ((obj["spec"].get("jobTemplate") or {}).get("spec") or {}).get("template") or {}
    return template


def _job_warnings(obj: Object) -> list[str]:
    return jobs.warnings_of_spec((obj["spec"].get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")


def _spec(spec: Object, before: Object) -> list[FieldError]:
    """``before``: the spec that this replaces; what was accepted once stays."""
    out: list[FieldError] = []
    schedule = spec.get("schedule") or ""
    if not schedule:
        out.append(required("spec.schedule"))
    else:
        if why := schedule_error(schedule):
            out.append(invalid("spec.schedule", schedule, why))
        had_zone, has_zone = "TZ" in (before.get("schedule") or ""), "TZ" in schedule
        if has_zone and not had_zone:
            words = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            out.append(invalid("spec.schedule", schedule, words))
        elif has_zone and spec.get("timeZone") is not None:
            words = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
            out.append(invalid("spec.schedule", schedule, words))
    out += workloads.counts(spec, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    zone = spec.get("timeZone")
    if zone is not None and zone != before.get("timeZone") and (why := _zone_error(zone)):
        out.append(invalid("spec.timeZone", zone, why))
    out += checks.one_of(spec.get("concurrencyPolicy"), _POLICIES, "spec.concurrencyPolicy")
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    path = "spec.jobTemplate.spec"
    return out + jobs.validate_spec(job, path) + jobs.manual_selector_in_template(job, path)


def _zone_error(zone: str) -> str:
    if not zone:
        return "timeZone must be nil or non-empty string"
    if any(p in (".", "..") or p[:1] == "-" or not _ZONE_PART.fullmatch(p) for p in zone.split("/")):
        return f"unknown time zone {zone}"
    if zone.lower() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {zone}"
    return ""
