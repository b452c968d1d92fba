"""What is asked: where a packet starts and what it is for, from the words of the command line."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

_SCHEMES = {"http": 80, "https": 443}
_SERVICE_WORDS = ("svc", "service", "services")


class TraceError(Exception):
    """The question makes no sense, or names what is not there; the message is the whole of what the user needs."""


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
    """``host`` is a name or an address; ``service`` is set where a Service was named as such. ``port``: a number, the
    name of a Service's port, or "" when none was given. ``namespace``: the one that short names are taken in."""

    host: str = ""
    port: int | str = ""
    service: tuple[str, str] | None = None  # namespace, name
    namespace: str = "default"

    @property
    def is_address(self) -> bool:
        return _is_ip(self.host)

    def __str__(self) -> str:
        base = f"svc/{self.service[1]}" if self.service else f"[{self.host}]" if ":" in self.host else self.host
        return f"{base}:{self.port}" if self.port else base


def parse_source(text: str, namespace: str) -> Source:
    """``pod/x``, ``pod/ns/x``, ``node/x`` or ``outside``. Raises TraceError."""
    kind, _, rest = text.partition("/")
    if text == "outside":
        return Source("outside")
    if kind in ("po", "pod", "pods") and rest:
        where, _, name = rest.rpartition("/")
        return Source("pod", name, where or namespace)
    if kind in ("no", "node", "nodes") and rest and "/" not in rest:
        return Source("node", rest)
    raise TraceError(f"a path starts at pod/NAME, node/NAME or outside, not at {text!r}")


def parse_target(text: str, namespace: str) -> Target:
    """``svc/x[:PORT]``, a URL, ``host[:PORT]`` or ``ip[:PORT]``. Raises TraceError."""
    if "://" in text:
        return _of_url(text, namespace)
    kind, _, rest = text.partition("/")
    if rest and kind in _SERVICE_WORDS:
        where, _, last = rest.rpartition("/")
        name, _, port = last.partition(":")
        return Target("", _port(port, text), (where or namespace, name), namespace)
    if "/" in text or not text:
        raise TraceError(f"a path leads to svc/NAME, a URL, a name or an address, not to {text!r}")
    if _is_ip(text):
        return Target(text)
    host, colon, port = text.rpartition(":")
    host = host if colon else text
    return Target(host.strip("[]"), _port(port if colon else "", text), None, namespace)


def _of_url(text: str, namespace: str) -> Target:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise TraceError(f"{text!r} is no URL: {error}") from error
    if not host:
        raise TraceError(f"{text!r} is no URL: it names no host")
    known: int | str = _SCHEMES.get(parts.scheme, "")
    return Target(host, port or known, None, namespace)


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
