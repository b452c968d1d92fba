"""The question: where a packet starts and where it goes, parsed from the command line."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

_SCHEMES = {"http": 80, "https": 443}
_KINDS = {
    "svc": ("svc", "service", "services"), "pod": ("po", "pod", "pods"), "ingress": ("ing", "ingress", "ingresses"),
}  # fmt: skip
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}


class TraceError(Exception):
    """The question is malformed, or names an object that does not exist; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Source:
    """``kind`` is pod, node or outside; the latter has no name, and only pods have a namespace."""

    kind: str
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


@dataclass(frozen=True, slots=True)
class Target:
    """``host`` is a name or an address. ``kind`` is svc, pod or ingress where an object was named as such, and
    ``name`` is that object's. ``port``: a number, the name of a port of the Service or pod, or "" when none was given.
    ``namespace``: the one that short names are taken in."""

    host: str = ""
    port: int | str = ""
    name: tuple[str, str] = ("", "")  # namespace, name
    namespace: str = "default"
    kind: str = ""

    @property
    def is_address(self) -> bool:
        return _is_ip(self.host)

    def __str__(self) -> str:
        base = f"{self.kind}/{self.name[1]}" if self.kind else f"[{self.host}]" if ":" in self.host else self.host
        return f"{base}:{self.port}" if self.port else base


def parse_source(text: str, namespace: str) -> Source:
    """``pod/x``, ``pod/ns/x``, ``node/x`` or ``outside``. Raises TraceError."""
    kind, _, rest = text.partition("/")
    if text == "outside":
        return Source("outside")
    if kind in _KINDS["pod"] and rest:
        where, _, name = rest.rpartition("/")
        return Source("pod", name, where or namespace)
    if kind in ("no", "node", "nodes") and rest and "/" not in rest:
        return Source("node", rest)
    raise TraceError(f"a path starts at pod/NAME, node/NAME or outside, not at {text!r}")


def parse_target(text: str, namespace: str) -> Target:
    """``svc/x[:PORT]``, ``pod/x[:PORT]``, ``ingress/x[:PORT]``, each also as ``KIND/NAMESPACE/x``; a URL,
    ``host[:PORT]`` or ``ip[:PORT]``. Raises TraceError."""
    if "://" in text:
        return _of_url(text, namespace)
    kind, _, rest = text.partition("/")
    where, slash, last = rest.rpartition("/")
    name, colon, port = last.partition(":")
    if kind in _KIND_OF and name and "/" not in where and bool(where) == bool(slash) and bool(port) == bool(colon):
        return Target("", _port(port, text), (where or namespace, name), namespace, _KIND_OF[kind])
    if "/" in text or not text:
        raise TraceError(
            f"a path leads to svc/NAME, pod/NAME, ingress/NAME, a URL, a name or an address, not to {text!r}"
        )
    if _is_ip(text):
        return Target(text)
    host, colon, port = text.rpartition(":")
    host = host if colon else text
    return Target(host.strip("[]"), _port(port if colon else "", text), namespace=namespace)


def _of_url(text: str, namespace: str) -> Target:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise TraceError(f"{text!r} is no URL: {error}") from error
    if parts.scheme not in _SCHEMES:
        raise TraceError(f"{text!r}: a URL starts with http:// or https://; for other protocols write HOST:PORT")
    if not host:
        raise TraceError(f"{text!r} is no URL: it names no host")
    return Target(host, port or _SCHEMES[parts.scheme], namespace=namespace)


def _port(text: str, whole: str) -> int | str:
    if not text.isdigit():
        return text
    if not 0 < int(text) < 65536:
        raise TraceError(f"{whole!r}: a port is a number from 1 to 65535")
    return int(text)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
