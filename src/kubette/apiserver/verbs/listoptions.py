"""Which revision a list or watch asks for, and the token with which a list in chunks goes on. Pure.

Source: k8s.io/apimachinery/pkg/apis/meta/internalversion/validation for the rules, KEP-3157 for
``sendInitialEvents``, k8s.io/apiserver/pkg/storage/continue.go for what a token holds.
"""

from __future__ import annotations

import base64

import orjson

from kubette.api.errors import BadRequest, FieldError, forbidden, invalid_object, unsupported
from kubette.api.integers import parse_uint, shown
from kubette.apiserver.request import RequestInfo

Start = tuple[str, str]  # (namespace, name): the key after which a chunk begins
#: The revision in a token whose list is no longer consistent: whatever is newest.
NEWEST = -1


def check(info: RequestInfo, *, watch: bool) -> None:
    """Raises Invalid for options that exclude one another, BadRequest for a resourceVersion that is none."""
    match, wanted = info.param("resourceVersionMatch"), info.param("resourceVersion")
    errors = (_of_watch if watch else _of_list)(info, match, wanted)
    if errors:
        raise invalid_object("ListOptions", "", errors, "meta.k8s.io")
    revision(wanted)


def revision(text: str) -> int:
    """A resourceVersion; none is 0. Raises BadRequest."""
    try:
        return parse_uint(text or "0")
    except ValueError as e:
        raise BadRequest(f'resourceVersion: Invalid value: "{shown(text)}": {e}') from e


def _of_list(info: RequestInfo, match: str, wanted: str) -> list[FieldError]:
    field, errors = "resourceVersionMatch", []
    if match:
        if not wanted:
            errors.append(forbidden(field, f"{field} is forbidden unless resourceVersion is provided"))
        if info.param("continue"):
            errors.append(forbidden(field, f"{field} is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            errors.append(unsupported(field, match, ("", "Exact", "NotOlderThan")))
        if match == "Exact" and wanted == "0":
            errors.append(forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
    if "sendInitialEvents" in info.query:
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return errors


def _of_watch(info: RequestInfo, match: str, wanted: str) -> list[FieldError]:
    field, errors = "resourceVersionMatch", []
    initial = "sendInitialEvents" in info.query
    if initial and match != "NotOlderThan":
        errors.append(forbidden(field, f"sendInitialEvents requires setting {field} to NotOlderThan"))
    if match:
        if not initial:
            errors.append(forbidden(field, f"{field} is forbidden for watch unless sendInitialEvents is provided"))
        if match != "NotOlderThan":
            errors.append(unsupported(field, match, ("NotOlderThan",)))
        if info.param("continue"):
            errors.append(forbidden(field, f"{field} is forbidden when continue is provided"))
    return errors


def token(rev: int, after: Start) -> str:
    """The token of the chunk that begins after a key."""
    data = orjson.dumps({"v": "meta.k8s.io/v1", "rv": rev, "start": list(after)})
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_token(text: str) -> tuple[int, Start]:
    """The revision (NEWEST, or one that a list had) and the key. Raises BadRequest."""
    try:
        data = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        rev, (namespace, name) = int(data["rv"]), data["start"]
        if data["v"] != "meta.k8s.io/v1" or rev < NEWEST:
            raise ValueError
    except (ValueError, KeyError, TypeError, OverflowError) as e:
        raise BadRequest(f'continue key is not valid: this server has given none like "{text[:64]}"') from e
    return rev, (str(namespace), str(name))
