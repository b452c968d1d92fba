"""CronJobs. Source: pkg/registry/batch/cronjob, batch/v1/defaults.go, batch/validation (ValidateCronJob)."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import checks, jobs, podtemplate, workloads
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_MAX_NAME = 52
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
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("concurrencyPolicy"):
            spec["concurrencyPolicy"] = "Allow"
        workloads.set_default(spec, "suspend", False)
        workloads.set_default(spec, "successfulJobsHistoryLimit", 3)
        workloads.set_default(spec, "failedJobsHistoryLimit", 1)
        template = spec.get("jobTemplate")
        if template is not None:
            template.setdefault("metadata", {})
            podtemplate.default(template.setdefault("spec", {}).get("template"))

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out = _spec(obj["spec"])
        name = obj["metadata"].get("name") or ""
        if len(name) > _MAX_NAME:
            out.append(invalid("metadata.name", name, f"must be no more than {_MAX_NAME} characters"))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return [] if ctx.subresource == "status" else _spec(new["spec"])


def _spec(spec: Object) -> list[FieldError]:
    out: list[FieldError] = []
    schedule = spec.get("schedule") or ""
    if not schedule:
        out.append(required("spec.schedule"))
    else:
        if why := schedule_error(schedule):
            out.append(invalid("spec.schedule", schedule, why))
        if "TZ" in schedule:
            words = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            out.append(invalid("spec.schedule", schedule, words))
    out += workloads.counts(spec, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    if (zone := spec.get("timeZone")) is not None and (why := _zone_error(zone)):
        out.append(invalid("spec.timeZone", zone, why))
    out += checks.one_of(spec.get("concurrencyPolicy"), _POLICIES, "spec.concurrencyPolicy")
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    path = "spec.jobTemplate.spec"
    return out + jobs.validate_spec(job, path) + jobs.manual_selector_in_template(job, path)


def _zone_error(zone: str) -> str:
    if not zone:
        return "timeZone must be nil or non-empty string"
    if zone.lower() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {zone}"
    return ""
