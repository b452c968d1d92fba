"""Images for containers: the pull policy, its back-off, and events worded as the kubelet words them.

A pinned (local) image satisfies every policy. Source: https://kubernetes.io/docs/concepts/containers/images/.
"""

from __future__ import annotations

import asyncio
import base64
import fnmatch
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from kubette.api.meta import Object
from kubette.runtime.interface import Image, ImageFailure, Images

Emit = Callable[[str, str, str], None]  # type, reason, message

log = logging.getLogger(__name__)

_MAX_ENTRIES = 4096


@dataclass(slots=True)
class _Failed:
    delay: float
    at: float
    error: str


class ImagePuller:
    """One per node. Equal pulls at the same time are one pull."""

    def __init__(self, images: Images, first: float, last: float, clock: Callable[[], float] = time.time) -> None:
        self._images = images
        self._first, self._last = first, last
        self._clock = clock
        self._failed: dict[tuple[str, str], _Failed] = {}
        self._pulls: dict[tuple[str, str], asyncio.Task[Image]] = {}

    async def ensure(self, pod_uid: str, container: Object, auths: Sequence[Mapping[str, str]], emit: Emit) -> Image:
        """The image, present. ImageFailure carries the waiting reason (ErrImagePull, ImagePullBackOff, …)."""
        reference = str(container.get("image") or "")
        try:
            present = await self._images.resolve(reference)
        except ImageFailure as error:
            if error.reason == "InvalidImageName":
                message = f'Failed to apply default image tag "{reference}": {error}'
                emit("Warning", "InspectFailed", message)
                raise ImageFailure(message, "InvalidImageName") from error
            emit("Warning", "InspectFailed", f'Failed to inspect image "{reference}": {error}')
            raise ImageFailure(f'Failed to inspect image "{reference}": {error}', "ImageInspectError") from error
        policy = container.get("imagePullPolicy") or default_policy(reference)
        if present and (present.pinned or policy != "Always"):
            emit(
                "Normal",
                "Pulled",
                f'Container image "{reference}" already present on machine and can be accessed by the pod',
            )
            return present
        if policy == "Never":
            message = f'Container image "{reference}" is not present with pull policy of Never'
            emit("Warning", "ErrImageNeverPull", message)
            raise ImageFailure(message, "ErrImageNeverPull")
        return await self._pull((pod_uid, reference), auths, emit)

    def retry_at(self, pod_uid: str, reference: str) -> float:
        """When a failed pull may be tried again (0: now)."""
        failed = self._failed.get((pod_uid, reference))
        return failed.at + failed.delay if failed else 0

    async def _pull(self, key: tuple[str, str], auths: Sequence[Mapping[str, str]], emit: Emit) -> Image:
        reference, failed = key[1], self._failed.get(key)
        if failed and self._clock() < failed.at + failed.delay:
            message = f'Back-off pulling image "{reference}"'
            emit("Normal", "BackOff", message)
            raise ImageFailure(f"{message}: ErrImagePull: {failed.error}", "ImagePullBackOff")
        emit("Normal", "Pulling", f'Pulling image "{reference}"')
        began = self._clock()
        try:
            image = await self._shared(reference, auths)
        except ImageFailure as error:
            delay = self._first if failed is None else min(failed.delay * 2, self._last)
            if len(self._failed) > _MAX_ENTRIES:
                self._failed.clear()
            self._failed[key] = _Failed(delay, self._clock(), str(error))
            emit("Warning", "Failed", f'Failed to pull image "{reference}": {error}')
            raise
        self._failed.pop(key, None)
        took = f"{self._clock() - began:.3f}s"
        emit(
            "Normal",
            "Pulled",
            f'Successfully pulled image "{reference}" in {took} ({took} including waiting). '
            f"Image size: {image.size} bytes.",
        )
        return image

    async def _shared(self, reference: str, auths: Sequence[Mapping[str, str]]) -> Image:
        key = (reference, orjson.dumps([dict(a) for a in auths], option=orjson.OPT_SORT_KEYS).decode())
        pull = self._pulls.get(key)
        if pull is None:
            pull = asyncio.create_task(self._images.pull(reference, auths), name=f"pull-{reference}")
            self._pulls[key] = pull
            pull.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(pull)  # a deleted pod gives up, others may still wait

    def _ended(self, key: tuple[str, str], pull: asyncio.Task[Image]) -> None:
        """The pods that wait report a failure; where all have gone meanwhile, the log does."""
        self._pulls.pop(key, None)
        if not pull.cancelled() and (error := pull.exception()) is not None:
            log.info("pulling image %s: %s", key[0], error)

    async def close(self) -> None:
        """Give up what is being pulled."""
        pulls = list(self._pulls.values())
        for pull in pulls:
            pull.cancel()
        await asyncio.gather(*pulls, return_exceptions=True)


def default_policy(reference: str) -> str:
    """Always for ``:latest``, said or not; IfNotPresent otherwise."""
    if "@" in reference:
        return "IfNotPresent"
    tag = reference.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def registry_of(reference: str) -> str:
    """The registry's host and port that a reference names; ``docker.io`` where it names none."""
    first, slash, _ = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return _host(first) if named else "docker.io"


def _host(key: str) -> str:
    """The host and port of an entry of a Docker configuration, which may be a URL."""
    host = key.partition("://")[2] or key
    host = host.partition("/")[0]
    return "docker.io" if host in ("index.docker.io", "registry-1.docker.io") else host


def auths_of(secrets: Iterable[Object], reference: str) -> list[dict[str, str]]:
    """Credentials among image pull secrets for the registry of ``reference``, and no other's; those that are
    for a part of the registry precede those for all of it."""
    found: list[tuple[str, dict[str, str]]] = []
    for secret in secrets:
        data = secret.get("data") or {}
        try:
            if raw := data.get(".dockerconfigjson"):
                table = orjson.loads(base64.b64decode(raw)).get("auths") or {}
            elif raw := data.get(".dockercfg"):
                table = orjson.loads(base64.b64decode(raw))
            else:
                continue
            for registry, entry in table.items():
                path = _matched(registry, reference)
                if path is None:
                    continue
                user, password = entry.get("username", ""), entry.get("password", "")
                if not user and entry.get("auth"):
                    user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
                found.append((path, {"registry": registry, "username": user, "password": password}))
        except (ValueError, AttributeError):  # a secret that is none: the pull goes on without it
            continue
    return [auth for _, auth in sorted(found, key=lambda row: -len(row[0]))]


def _matched(key: str, reference: str) -> str | None:
    """The part of the registry that an entry is for ("": all of it); None: not this reference's. The host may be
    a pattern: https://kubernetes.io/docs/concepts/containers/images/#config-json."""
    rest = key.partition("://")[2] or key
    path = rest.partition("/")[2].strip("/")
    path = "" if path in ("v1", "v2") else path
    host, wanted = _host(key).split("."), registry_of(reference)
    parts = wanted.split(".")
    if len(host) != len(parts) or not all(map(fnmatch.fnmatchcase, parts, host)):
        return None
    named = reference.partition("/")[2] if reference.startswith(wanted + "/") else reference
    return path if f"{named}/".startswith(f"{path}/" if path else "") else None
