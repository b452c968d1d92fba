"""Rules for a Job's podFailurePolicy and successPolicy. Source: pkg/apis/batch/validation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api.errors import FieldError, duplicate, invalid, invalid_whole, required, too_long, too_many, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_MAX_RULES, _MAX_CODES, _MAX_CONDITIONS, _MAX_SUCCESS_RULES = 20, 255, 20, 20
_MAX_INDEXES_LENGTH = 64 * 1024


def failure_policy(spec: Object, path: str) -> list[FieldError]:
    """``podFailurePolicy`` of a JobSpec."""
    rules = spec["podFailurePolicy"].get("rules") or []
    out = [too_many(f"{path}.rules", len(rules), _MAX_RULES)] if len(rules) > _MAX_RULES else []
    pod = (spec.get("template") or {}).get("spec") or {}
    containers = {c.get("name") for f in ("containers", "initContainers") for c in pod.get(f) or ()}
    for i, rule in enumerate(rules):
        out += _failure_rule(spec, rule, f"{path}.rules[{i}]", containers)
    return out


def _failure_rule(spec: Object, rule: Object, path: str, containers: set[Any]) -> list[FieldError]:
    action, codes, conditions = rule.get("action") or "", rule.get("onExitCodes"), rule.get("onPodConditions") or []
    out = _one_of(action, _ACTIONS, f"{path}.action")
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        out.append(invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    if codes is not None:
        out += _exit_codes(codes, f"{path}.onExitCodes", containers)
    if len(conditions) > _MAX_CONDITIONS:
        out.append(too_many(f"{path}.onPodConditions", len(conditions), _MAX_CONDITIONS))
    for i, pattern in enumerate(conditions):
        at, kind = f"{path}.onPodConditions[{i}]", pattern.get("type") or ""
        out += [invalid(f"{at}.type", kind, m) for m in qualified_name_errors(kind)]
        out += _one_of(pattern.get("status") or "", _STATUSES, f"{at}.status")
    if codes is not None and conditions:
        out.append(invalid_whole(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        out.append(invalid_whole(path, "specifying one of OnExitCodes and OnPodConditions is required"))
    return out


def _one_of(value: str, allowed: tuple[str, ...], path: str) -> list[FieldError]:
    if not value:
        return [required(path, "valid values: [" + " ".join(f'"{a}"' for a in allowed) + "]")]
    return [] if value in allowed else [unsupported(path, value, allowed)]


def _exit_codes(codes: Object, path: str, containers: set[Any]) -> list[FieldError]:
    operator, values, container = codes.get("operator") or "", codes.get("values") or [], codes.get("containerName")
    out = _one_of(operator, _OPERATORS, f"{path}.operator")
    if container is not None and container not in containers:
        words = "must be one of the container or initContainer names in the pod template"
        out.append(invalid(f"{path}.containerName", container, words))
    if not values:
        out.append(invalid(f"{path}.values", values, "at least one value is required"))
    elif len(values) > _MAX_CODES:
        out.append(too_many(f"{path}.values", len(values), _MAX_CODES))
    seen: set[int] = set()
    for i, value in enumerate(values):
        if operator == "In" and value == 0:
            out.append(invalid(f"{path}.values[{i}]", value, "must not be 0 for the In operator"))
        if value in seen:
            out.append(duplicate(f"{path}.values[{i}]", value))
        seen.add(value)
    if values != sorted(values):
        out.append(invalid(f"{path}.values", values, "must be ordered"))
    return out


def success_policy(spec: Object, path: str) -> list[FieldError]:
    """``successPolicy`` of the spec of an Indexed job."""
    rules = spec["successPolicy"].get("rules") or []
    out: list[FieldError] = []
    if not rules:
        words = "at least one rules must be specified when the successPolicy is specified"
        out.append(required(f"{path}.rules", words))
    if len(rules) > _MAX_SUCCESS_RULES:
        out.append(too_many(f"{path}.rules", len(rules), _MAX_SUCCESS_RULES))
    for i, rule in enumerate(rules):
        out += _success_rule(rule, spec.get("completions"), f"{path}.rules[{i}]")
    return out


def _success_rule(rule: Object, completions: int | None, path: str) -> list[FieldError]:
    count, text = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and text is None:
        return [required(path, "at least one of succeededCount or succeededIndexes must be specified")]
    out: list[FieldError] = []
    total = 0
    if text is not None:
        if len(text) > _MAX_INDEXES_LENGTH:
            out.append(too_long(f"{path}.succeededIndexes", _MAX_INDEXES_LENGTH))
        try:
            total = count_indexes(text, completions or 0)
        except ValueError as e:
            out.append(invalid(f"{path}.succeededIndexes", text, f"error parsing succeededIndexes: {e}"))
    if count is not None:
        at = f"{path}.succeededCount"
        out += checks.non_negative(count, at)
        if count > (completions or 0):
            words = f"must be less than or equal to {completions or 0} (the number of specified completions)"
            out.append(invalid(at, count, words))
        if text is not None and count > total:
            words = "(the number of indexes in the specified succeededIndexes field)"
            out.append(invalid(at, count, f"must be less than or equal to {total} {words}"))
    return out


def intervals(text: str, completions: int) -> Iterable[tuple[int, int]]:
    """``1,3-5`` as pairs of first and last index. ValueError, with upstream's words, where it is malformed."""
    last: int | None = None
    for piece in text.split(",") if text else ():
        parts = piece.split("-")
        if len(parts) > 2:
            words = "violates the requirement that an index interval can have at most two parts separated by '-'"
            raise ValueError(f'the fragment "{piece}" {words}')
        first, end = _index(parts[0], completions), _index(parts[-1], completions)
        if len(parts) == 2 and first >= end:
            raise ValueError(f"non-increasing order, previous: {first}, current: {end}")
        if last is not None and last >= first:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        last = end
        yield first, end


def _index(text: str, completions: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"')
    return int(text)


def count_indexes(text: str, completions: int) -> int:
    """How many indexes ``text`` names. ValueError where it is malformed."""
    return sum(end - first + 1 for first, end in intervals(text, completions))
