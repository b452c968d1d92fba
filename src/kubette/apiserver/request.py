"""What a request asks for, read from its method and URL: upstream's ``RequestInfo``. Pure.

Two questions are kept apart, as upstream does: which permission the request needs (``attributes``), which every
request has an answer to, and whether the server has a route for it (``kind``). A user who may not ask gets 403, and
only a user who may learns by 404 that nothing is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote

from kubette.api import kinds, names
from kubette.api.errors import (
    ApiError,
    BadRequest,
    FieldError,
    NotFound,
    invalid_object,
    too_long,
    unsupported,
)
from kubette.api.integers import parse_int
from kubette.api.kinds import Kind, Subresource
from kubette.api.selectors import parse_fields
from kubette.apiserver.rbac import Attributes

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
#: Verbs that an old form of URL says in its path.
_VERBS_IN_PATH = frozenset({"watch", "proxy"})
_WITH_SELECTORS = frozenset({"list", "watch", "deletecollection"})
#: What follows a namespace's name and belongs to the Namespace itself.
_OF_NAMESPACES = frozenset({"status", "finalize"})
#: Subresources whose path goes on behind them.
_OPEN_ENDED = frozenset({"proxy"})


@dataclass(slots=True)
class RequestInfo:
    """``kind``: the served kind; None for a path that is no resource, and for a resource path without a route.

    ``resource`` is empty for the former. ``name`` is the URL's; ``selected`` the one that a field selector asks for.
    ``prefix`` and ``rest``: the path up to and after ``/proxy``, as they were sent."""

    method: str
    path: str
    verb: str
    query: dict[str, list[str]] = field(default_factory=dict)
    raw_query: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    kind: Kind | None = None
    namespace: str = ""
    name: str = ""
    selected: str = ""
    subresource: str = ""
    fields: tuple[tuple[str, str, str], ...] = ()
    prefix: str = ""
    rest: str = ""

    def param(self, name: str, default: str = "") -> str:
        values = self.query.get(name)
        return values[0] if values else default

    def flag(self, name: str) -> bool:
        """A boolean parameter, as Go's conversion reads it: absent, ``false`` and ``0`` are false."""
        values = self.query.get(name)
        return values is not None and values[0].lower() not in ("false", "0")

    def attributes(self, verb: str = "") -> Attributes:
        """The permission that the request needs. ``verb``: in place of its own."""
        if not self.resource:
            return Attributes(verb or self.method.lower(), path=self.path)
        return Attributes(
            verb or self.verb, self.group, self.version, self.resource, self.subresource, self.namespace,
            self.name or self.selected, fields=self.fields,
        )  # fmt: skip

    @property
    def group_resource(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource


def well_formed(text: str) -> str:
    """The text of a head, in which aiohttp leaves bytes that are not UTF-8 as surrogates: they become U+FFFD."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def parse(method: str, target: str) -> RequestInfo:
    """Read a request line. Bytes that are not UTF-8 become U+FFFD."""
    target = well_formed(target)
    raw_path, _, raw_query = target.partition("?")
    path = unquote(raw_path) if "%" in raw_path else raw_path
    query = parse_qs(raw_query, keep_blank_values=True) if raw_query else {}
    info = RequestInfo(method, path, _VERBS.get(method, ""), query, raw_query)
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        consumed = 2
    elif parts[0] == "apis" and len(parts) > 3:
        info.group, consumed = parts[1], 3
    else:
        return info
    info.version = parts[consumed - 1]
    _read(info, raw_path, parts, consumed)
    if not info.resource:
        return info
    if not info.name:
        _collection(info)
    if query and info.verb in _WITH_SELECTORS and parts[consumed] != "watch":
        _selectors(info)
    return info


def _read(info: RequestInfo, raw_path: str, parts: list[str], at: int) -> None:
    """Namespace, resource, name and subresource from the parts of the path, and the kind if there is a route."""
    if parts[at] in _VERBS_IN_PATH and at + 1 < len(parts):
        info.verb, at = parts[at], at + 1
    below = False
    if parts[at] == "namespaces" and at + 1 < len(parts):
        info.namespace = parts[at + 1]  # RBAC sees a Namespace as living in itself
        if at + 2 < len(parts) and parts[at + 2] not in _OF_NAMESPACES:
            at, below = at + 2, True
    own = parts[at : at + 3]
    info.resource, info.name, info.subresource = (*own, "", "")[:3]
    if not raw_path.startswith("/") or raw_path.startswith("//") or "" in own or (below and not info.namespace):
        return
    kind = kinds.by_resource(info.group, info.version, info.resource)
    if kind is None or info.verb == "proxy":
        return
    if below != kind.namespaced and (below or info.name):
        return  # a kind of the cluster below a namespace; an object of a namespace without one
    if info.subresource and (info.verb == "watch" or kind.subresource(info.subresource) is None):
        return
    if info.subresource in _OPEN_ENDED:
        cut = _cut(raw_path, at + 3)
        if cut is None:
            return
        info.prefix, info.rest = cut
    elif len(parts) > at + 3:
        return
    info.kind = kind
    if info.verb == "watch" and info.name:
        info.query["fieldSelector"] = [f"metadata.name={info.name}"]


def _cut(raw_path: str, count: int) -> tuple[str, str] | None:
    """The path as it was sent, cut after ``count`` decoded parts; None where an encoded slash is in the way."""
    raw = raw_path.split("/")
    seen = 0
    for i, part in enumerate(raw[1:], 2):
        seen += unquote(part).count("/") + 1
        if seen >= count:
            return ("/".join(raw[:i]), "".join(f"/{p}" for p in raw[i:])) if seen == count else None
    return None


def _collection(info: RequestInfo) -> None:
    if info.verb == "get":
        info.verb = "watch" if info.query and info.flag("watch") else "list"
    elif info.verb == "delete":
        info.verb = "deletecollection"


def _selectors(info: RequestInfo) -> None:
    """What authorization sees of the field selector. A malformed one is refused later."""
    try:
        selector = parse_fields(info.param("fieldSelector"))
    except ValueError:
        return
    info.fields = selector.terms
    name = selector.exact("metadata.name")
    if name and not names.path_segment_name(name):
        info.selected = name


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
        return parse_int(text)
    except ValueError as e:
        raise BadRequest(str(e)) from e


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
