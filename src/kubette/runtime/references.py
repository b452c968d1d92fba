"""Image references: ``[registry/]path[:tag][@digest]``, in the normal form that Docker gave them.

Pure. The grammar is ``distribution/reference``; ``busybox`` means ``docker.io/library/busybox:latest``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kubette.runtime.interface import ImageFailure

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_DOMAIN = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class Reference:
    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        return f"{self.registry}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return self.repository + tag + (f"@{self.digest}" if self.digest else "")

    @property
    def is_loopback(self) -> bool:
        """Its registry is on this machine: plain HTTP is accepted there, as by every engine."""
        host = self.registry.rpartition(":")[0] or self.registry
        return host in ("localhost", "[::1]") or host.startswith("127.")


def parse(text: str) -> Reference:
    """The normal form; ImageFailure (InvalidImageName) in upstream's words where there is none."""

    def bad(why: str) -> ImageFailure:
        return ImageFailure(f'couldn\'t parse image name "{text}": {why}', "InvalidImageName")

    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise bad("invalid reference format")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        head, tag = rest, ""
    elif not _TAG.fullmatch(tag):
        raise bad("invalid reference format")
    registry, slash, path = head.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        registry, path = "docker.io", head
    if registry == "index.docker.io":
        registry = "docker.io"
    if registry == "docker.io" and "/" not in path:
        path = "library/" + path
    if not _PATH.fullmatch(path) or not _DOMAIN.fullmatch(registry):
        if path and path != path.lower() and _PATH.fullmatch(path.lower()):
            raise bad(f"invalid reference format: repository name ({path}) must be lowercase")
        raise bad("invalid reference format")
    if not tag and not digest:
        tag = "latest"
    return Reference(registry, path, tag, digest)
