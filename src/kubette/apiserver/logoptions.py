"""What makes ``PodLogOptions`` of a request's query invalid. Pure; ``ValidatePodLogOptions`` upstream."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from kubette.api import errors
from kubette.api.errors import FieldError
from kubette.api.integers import parse_int

PARAMETERS = (
    "follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream",
)  # fmt: skip
_STREAMS = ("All", "Stdout", "Stderr")


def problems(query: Mapping[str, str]) -> list[FieldError]:
    """Of parameters that are there. BadRequest for what is no number, or no time, at all."""
    out = []
    tail, limit, since = (_number(query, name) for name in ("tailLines", "limitBytes", "sinceSeconds"))
    if tail is not None and tail < 0:
        out.append(errors.invalid("tailLines", tail, "must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        out.append(errors.invalid("limitBytes", limit, "must be greater than 0"))
    if query.get("sinceTime"):
        _time(query["sinceTime"])
        if since is not None:
            out.append(errors.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif since is not None and since < 1:
        out.append(errors.invalid("sinceSeconds", since, "must be greater than 0"))
    stream = query.get("stream") or "All"
    if stream not in _STREAMS:
        out.append(errors.unsupported("stream", stream, _STREAMS))
    elif stream != "All" and tail is not None:
        out.append(errors.forbidden("", "`tailLines` and specific `stream` are mutually exclusive for now"))
    return out


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return parse_int(text)
    except ValueError as e:
        raise errors.BadRequest(str(e)) from e


def _time(text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise errors.BadRequest(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse it') from None
