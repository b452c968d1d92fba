"""The tree of API errors: what a server answers and what a client raises.

One tree for both ends, so that a reason survives the wire unchanged. Each error carries the
``metav1.Status`` reason and HTTP code of upstream's ``k8s.io/apimachinery/pkg/api/errors``.

    ApiError
    ├── BadRequest 400            ├── Expired 410 (Expired: watch or continue token too old)
    ├── Unauthorized 401          ├── TooLarge 413 (RequestEntityTooLarge)
    ├── Forbidden 403             ├── UnsupportedMediaType 415
    ├── NotFound 404              ├── Invalid 422 (carries causes)
    ├── MethodNotAllowed 405      ├── TooManyRequests 429
    ├── NotAcceptable 406         ├── InternalError 500
    ├── AlreadyExists 409         ├── ServiceUnavailable 503
    └── Conflict 409              └── Timeout 504
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """One cause of an Invalid error, as ``metav1.StatusCause`` (reason, message, field).

    ``detail`` is the text after the reason's own words; ``str()`` gives upstream's full line, such as
    ``spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive``.
    """

    reason: str  # FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, FieldValueDuplicate, …
    field: str
    detail: str = ""
    value: Any = None
    has_value: bool = False

    @property
    def message(self) -> str:
        words = _FIELD_REASONS.get(self.reason, self.reason)
        out = words
        if self.has_value:
            out += f": {_quote(self.value)}"
        if self.detail:
            out += f": {self.detail}"
        return out

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


_FIELD_REASONS = {
    "FieldValueNotFound": "Not found",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "InternalError": "Internal error",
    "FieldValueTypeInvalid": "Invalid value",
}


def _quote(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if value is None:
        return "null"
    import json

    return json.dumps(value, separators=(",", ":"))


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, detail, value, True)


def invalid_whole(field: str, detail: str) -> FieldError:
    """Invalid, without showing the value."""
    return FieldError("FieldValueInvalid", field, detail)


def not_found_value(field: str, value: Any, detail: str = "") -> FieldError:
    return FieldError("FieldValueNotFound", field, detail, value, True)


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", field, "", value, True)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, detail)


def unsupported(field: str, value: Any, supported: Sequence[str]) -> FieldError:
    listed = ", ".join(f'"{s}"' for s in sorted(supported))
    return FieldError("FieldValueNotSupported", field, f"supported values: {listed}", value, True)


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", field, f"may not be more than {limit} bytes")


def too_many(field: str, actual: int, limit: int) -> FieldError:
    return FieldError("FieldValueTooMany", field, f"must have at most {limit} items", actual, True)


class ApiError(Exception):
    """Any ``metav1.Status`` failure. ``details`` and ``metadata`` are the Status' own objects of these names."""

    code = 500
    reason = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        code: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.metadata = metadata
        if code is not None:
            self.code = code
        if reason is not None:
            self.reason = reason

    def status(self) -> dict[str, Any]:
        """The ``metav1.Status`` body."""
        out: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata or {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            out["details"] = self.details
        return out


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class Expired(ApiError):
    code, reason = 410, "Expired"


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    code, reason = 500, "InternalError"


class ServiceUnavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    code, reason = 504, "Timeout"


def _resource(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, name: str, group: str = "") -> NotFound:
    return NotFound(
        f'{_resource(plural, group)} "{name}" not found', details=_details(name, group, plural)
    )


def already_exists(plural: str, name: str, group: str = "") -> AlreadyExists:
    return AlreadyExists(
        f'{_resource(plural, group)} "{name}" already exists', details=_details(name, group, plural)
    )


def conflict(plural: str, name: str, group: str = "", why: str = "") -> Conflict:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    return Conflict(
        f'Operation cannot be fulfilled on {_resource(plural, group)} "{name}": {why}',
        details=_details(name, group, plural),
    )


def invalid_object(kind: str, name: str, errors: Sequence[FieldError], group: str = "") -> Invalid:
    """Upstream's ``NewInvalid``: ``details.kind`` is the Kind, and each error is a cause."""
    kind_group = f"{kind}.{group}" if group else kind
    texts = list(dict.fromkeys(map(str, errors)))  # what two rules found is said once
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = _details(name, group, kind)
    details["causes"] = [
        {"reason": e.reason, "message": e.message, "field": e.field} for e in errors
    ]
    return Invalid(f'{kind_group} "{name}" is invalid: {text}', details=details)


def other_uid(error: ApiError) -> bool:
    """Whether a patch that carries ``metadata.uid`` met another object of the same name: the uid is immutable, so
    upstream answers Invalid, not Conflict."""
    causes = (error.details or {}).get("causes") or ()
    return isinstance(error, Invalid) and any(cause.get("field") == "metadata.uid" for cause in causes)


def invalid_patch(patched: Any, why: str) -> Invalid:
    """The patch applies, but what it makes cannot be decoded as the object (422, of no kind, as upstream answers)."""
    import json

    shown = json.dumps(patched, separators=(",", ":"), ensure_ascii=False, default=str)
    return invalid_object("", "", [invalid("patch", shown, why)])


def _details(name: str, group: str, kind: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if name:
        out["name"] = name
    if group:
        out["group"] = group
    if kind:
        out["kind"] = kind
    return out


_BY_REASON: dict[str, type[ApiError]] = {c.reason: c for c in ApiError.__subclasses__()}
_BY_CODE: dict[int, type[ApiError]] = {
    c.code: c for c in ApiError.__subclasses__() if c is not AlreadyExists
}


def from_status(status: dict[str, Any], http_code: int = 500) -> ApiError:
    """The exception for a ``metav1.Status`` body received from a server."""
    code = int(status.get("code") or http_code)
    reason = str(status.get("reason") or "")
    cls = _BY_REASON.get(reason) or _BY_CODE.get(code, ApiError)
    return cls(
        str(status.get("message") or f"HTTP {code}"),
        details=status.get("details"),
        metadata=status.get("metadata"),
        code=code,
        reason=reason or None,
    )
