"""What a request asks for, read from its method and URL: upstream's ``RequestInfo``. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote

from kubette.api import kinds
from kubette.api.errors import (
    ApiError,
    BadRequest,
    FieldError,
    NotFound,
    invalid_object,
    too_long,
    unsupported,
)
from kubette.api.kinds import Kind, Subresource
from kubette.apiserver.rbac import Attributes

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION = {"get": "list", "delete": "deletecollection"}
#: subresources whose path goes on behind them
_OPEN_ENDED = frozenset({"proxy"})


@dataclass(slots=True)
class RequestInfo:
    """``kind`` is None for paths that are no resource. ``rest`` is what follows ``/proxy/``."""

    method: str
    path: str
    verb: str
    query: dict[str, list[str]] = field(default_factory=dict)
    raw_query: str = ""
    kind: Kind | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""

    def param(self, name: str, default: str = "") -> str:
        values = self.query.get(name)
        return values[0] if values else default

    def flag(self, name: str) -> bool:
        """A boolean parameter, as Go's conversion reads it: absent, ``false`` and ``0`` are false."""
        values = self.query.get(name)
        return values is not None and values[0].lower() not in ("false", "0")

    def attributes(self) -> Attributes:
        kind = self.kind
        if kind is None:
            return Attributes(self.method.lower(), path=self.path)
        return Attributes(
            self.verb, kind.group, kind.version, kind.plural, self.subresource, self.namespace, self.name
        )


def plain(method: str, target: str) -> RequestInfo:
    """A request line without regard to resources."""
    raw_path, _, raw_query = target.partition("?")
    path = unquote(raw_path) if "%" in raw_path else raw_path
    query = parse_qs(raw_query, keep_blank_values=True) if raw_query else {}
    return RequestInfo(method, path, _VERBS.get(method, method.lower()), query, raw_query)


def parse(method: str, target: str) -> RequestInfo:
    """Read a request line. Raises NotFound for a resource path that names nothing that is served."""
    raw_path = target.partition("?")[0]
    info = plain(method, target)
    parts = raw_path.split("/")
    if len(parts) > 3 and parts[1] == "api":
        group, version, rest = "", parts[2], parts[3:]
    elif len(parts) > 4 and parts[1] == "apis":
        group, version, rest = parts[2], parts[3], parts[4:]
    else:
        return info
    if rest and rest[-1] == "" and len(rest) > 1 and "proxy" not in rest:
        rest = rest[:-1]
    if not rest[0]:
        return info
    if "%" in raw_path:
        rest = [unquote(p) for p in rest]
    _resource(info, group, version, rest)
    return info


def _resource(info: RequestInfo, group: str, version: str, rest: list[str]) -> None:
    if rest[0] == "watch":
        rest = rest[1:]
        info.query["watch"] = ["true"]
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        info.namespace, rest = rest[1], rest[2:]
    elif len(rest) > 1 and rest[0] == "namespaces":
        info.namespace = rest[1]  # RBAC sees a namespace as living in itself
    kind = kinds.by_resource(group, version, rest[0]) if rest else None
    if kind is None or (kind.namespaced and not info.namespace and len(rest) > 1):
        raise page_not_found()
    info.kind = kind
    info.name = rest[1] if len(rest) > 1 else ""
    info.subresource = rest[2] if len(rest) > 2 else ""
    if len(rest) > 3:
        if info.subresource not in _OPEN_ENDED:
            raise page_not_found()
        info.rest = "/" + "/".join(rest[3:])
    if info.subresource and kind.subresource(info.subresource) is None:
        raise page_not_found()
    if not info.name:
        info.verb = _COLLECTION.get(info.verb, info.verb)
    if info.verb in ("get", "list") and info.query and info.flag("watch") and not info.subresource:
        if info.name:
            info.query["fieldSelector"] = [f"metadata.name={info.name}"]
        info.verb = "watch"


def subresource_of(info: RequestInfo) -> Subresource | None:
    return info.kind.subresource(info.subresource) if info.kind and info.subresource else None


def page_not_found() -> ApiError:
    return NotFound("the server could not find the requested resource", details={})


def integer(info: RequestInfo, name: str) -> int | None:
    """An integer parameter. Raises BadRequest for other text."""
    text = info.param(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError as e:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from e


_OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_MODES: dict[str, Literal["Strict", "Warn", "Ignore"]] = {
    "": "Warn", "Ignore": "Ignore", "Warn": "Warn", "Strict": "Strict",
}  # fmt: skip
_MANAGER_MAX = 128


def options_invalid(info: RequestInfo, error: FieldError) -> ApiError:
    """Upstream's answer to options of a write that make no sense."""
    return invalid_object(_OPTIONS.get(info.verb, "DeleteOptions"), "", [error], "meta.k8s.io")


def dry_run(info: RequestInfo, body: list[str] | None = None) -> bool:
    """Whether ``dryRun=All`` is asked for, all the options of the write being valid. Raises Invalid."""
    values = info.query.get("dryRun") or body or []
    if any(value != "All" for value in values):
        raise options_invalid(info, unsupported("dryRun", values, ("All",)))
    if info.query:
        if len(info.param("fieldManager")) > _MANAGER_MAX:
            raise options_invalid(info, too_long("fieldManager", _MANAGER_MAX))
        field_validation(info)
    return bool(values)


def field_validation(info: RequestInfo) -> Literal["Strict", "Warn", "Ignore"]:
    """Of the query. Raises Invalid."""
    asked = info.param("fieldValidation")
    mode = _MODES.get(asked)
    if mode is None:
        raise options_invalid(info, unsupported("fieldValidation", asked, tuple(_MODES)))
    return mode
