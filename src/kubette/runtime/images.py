"""The image store: one a machine, unpacked once, shared by every node and cluster on it.

The index says what is there. Several processes use one store at once, so changes hold a lock file and files are
replaced, never edited; one image is fetched by one of them at a time. Local images (``local_images``) are pinned.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import orjson

from kubette.runtime import archives, fetch, kernel, local_images, records, references
from kubette.runtime.fetch import Tools
from kubette.runtime.interface import Image, ImageFailure
from kubette.runtime.rootfs import RootSource, mount_source
from kubette.runtime.workdirs import alone, exclusive, work_in

T = TypeVar("T")

_ARCHIVE = "archive"  # the name of an archive in a working directory
_DOCUMENT_LIMIT = 8 << 20  # bytes of a manifest or a configuration
_VOLUMES_LIMIT = 256


class ImageStore:
    """Images in ``directory``. ``netns``: the network namespace that registries are reached from (a node's
    own does not reach a registry on the host's loopback); ``patience``: seconds without a byte from one."""

    def __init__(self, directory: Path, netns: Path = Path("/proc/self/ns/net"), patience: float = 60.0) -> None:
        self._dir = directory
        self._tools = Tools(netns, patience)
        self._index_file = directory / "index.json"
        self._cache: tuple[int, dict[str, Any]] | None = None
        self._local: dict[str, Image] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)  # images hold setuid programs: no user of this machine may run them from here
        for name in ("images", "local", "tmp", "locks"):
            (directory / name).mkdir(exist_ok=True, mode=0o755)

    # --- what is there -------------------------------------------------------------------------------

    async def resolve(self, reference: str) -> Image | None:
        return self.find(reference)

    def find(self, reference: str) -> Image | None:
        """By ID or by reference; ImageFailure where it is neither."""
        if image := self.get(reference):
            return image
        ref = references.parse(reference)
        wanted = str(ref)
        if image := self._locals().get(wanted):
            return image
        by_digest = f"{ref.repository}@{ref.digest}"
        for image in self._stored():
            if wanted in image.references or (ref.digest and by_digest in image.digests):
                return image
        return None

    def get(self, image_id: str) -> Image | None:
        """By ID only."""
        every = [*self._locals(unpinned=True).values(), *self._stored()]
        return next((i for i in every if i.id == image_id), None)

    async def list(self) -> Sequence[Image]:
        return [*self._locals().values(), *self._stored()]

    def root(self, image_id: str) -> RootSource:
        """What containers of that image stand on."""
        digest = image_id.removeprefix("sha256:")
        for reference, image in self._locals(unpinned=True).items():
            if image.id == image_id:
                local_images.build(reference, self._dir / "local" / digest)
                return local_images.source_of(self._dir / "local" / digest)
        return RootSource(self._dir / "images" / digest / "rootfs")

    def prepare_local(self) -> None:
        """Build the local images ahead of their first use. Blocks for some 100 ms the first time."""
        for image in self._locals().values():
            self.root(image.id)

    def _locals(self, unpinned: bool = False) -> dict[str, Image]:
        if self._local is None:
            self._local = {r: local_images.image_of(r) for r in local_images.TABLE}
        gone = () if unpinned else self._index()["unpinned"]
        return {r: i for r, i in self._local.items() if r not in gone}

    def _stored(self) -> Sequence[Image]:
        return [_from_row(row) for row in self._index()["images"].values()]

    # --- changes -------------------------------------------------------------------------------------

    async def remove(self, reference: str) -> None:
        """Drop a reference, and the image with its last one. A pinned image is unpinned."""
        with _disk_failures():
            await self._remove(reference)

    async def _remove(self, reference: str) -> None:
        image = self.find(reference)
        if image is None:
            raise ImageFailure(f'image "{reference}" not found', "ImageNotFound")
        by_id = reference == image.id
        wanted = "" if by_id else str(references.parse(reference))

        def change(index: dict[str, Any]) -> str:
            if image.pinned:
                index["unpinned"] = sorted({*index["unpinned"], *image.references})
                return ""
            row = index["images"].get(image.id)
            if row is None:
                return ""
            row["references"] = [] if by_id else [r for r in row["references"] if r != wanted]
            row["digests"] = [] if by_id else [d for d in row["digests"] if d != wanted]
            if row["references"]:
                return ""
            digest = image.id.removeprefix("sha256:")
            if _in_use(self._dir / "images" / digest / "rootfs"):
                raise ImageFailure(f'image "{reference}" is in use by a container', "ImageInUse")
            del index["images"][image.id]
            return digest

        if digest := self._change(change):
            async with self._work() as work:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self._dir / "images" / digest, work / "image")

    async def load(self, file: Path) -> Sequence[Image]:
        """The images of a docker-archive or OCI archive (also compressed), or of an OCI layout's directory."""
        with _disk_failures():
            return await self._load(file)

    async def _load(self, file: Path) -> Sequence[Image]:
        out = []
        async with self._work() as scratch:
            plain = await asyncio.to_thread(archives.plain, file, scratch)
            for entry in await asyncio.to_thread(archives.inspect, file, plain):
                names = [str(references.parse(n)) for n in entry.names]
                try:
                    out.append(await self._take(entry.source(_ARCHIVE), names, [], [], plain))
                except ImageFailure as e:
                    raise ImageFailure(f"{file} holds no usable image: {e}", e.reason) from e
        return out

    async def pull(self, reference: str, auths: Sequence[Mapping[str, str]] = ()) -> Image:
        """Each of the credentials is tried in turn; where there are none, the machine's own (``skopeo login``)."""
        ref = references.parse(reference)
        if pinned := self._locals().get(str(ref)):
            return pinned
        failures: list[str] = []
        for auth in auths or [{}]:
            try:
                with _disk_failures():
                    async with self._work() as work:
                        return await self._pull(ref, _auth_options(work / "auth.json", ref.registry, auth))
            except ImageFailure as e:
                failures.append(str(e))
        words = f'failed to pull and unpack image "{ref}": failed to resolve reference "{ref}": '
        raise ImageFailure(words + _worded(ref, failures[0]))

    async def _pull(self, ref: references.Reference, auth: Sequence[str]) -> Image:
        by = f"{ref.repository}@{ref.digest}" if ref.digest else str(ref)
        tls = ["--tls-verify=false"] if ref.is_loopback else []
        raw = await self._tools.manifest(f"docker://{by}", [*tls, *auth])
        digest = ref.digest or "sha256:" + hashlib.sha256(raw).hexdigest()
        exact = f"{ref.repository}@{digest}"
        names = [f"{ref.repository}:{ref.tag}"] if ref.tag else []
        async with alone(self._dir / "locks" / digest.replace(":", "-")):
            if known := next((i for i in self._stored() if exact in i.digests), None):
                return self._record(known, names, [exact])
            options = [o.replace("--", "--src-", 1) for o in [*tls, *auth]]
            return await self._take(f"docker://{exact}", names, [exact], options)

    async def _take(
        self,
        source: str,
        names: Sequence[str],
        digests: Sequence[str],
        options: Sequence[str],
        archive: Path | None = None,
    ) -> Image:
        """Copy an image to a layout of its own, unpack it, and enter it into the index. ``source`` calls ``archive``
        ``_ARCHIVE``."""
        async with self._work() as work:
            if archive is not None:
                (work / _ARCHIVE).symlink_to(archive.absolute())
            await self._tools.copy(source, work, options)
            image, size = _describe(work / fetch.LAYOUT)
            target = self._dir / "images" / image.id.removeprefix("sha256:")
            if not target.is_dir():
                await self._tools.unpack(work)
                if not stat.S_ISDIR((work / fetch.ROOT).lstat().st_mode):
                    raise ImageFailure("not a container image: its root is no directory")
                (work / "image").mkdir(mode=0o755)
                os.rename(work / fetch.ROOT, work / "image/rootfs")
                with contextlib.suppress(OSError):  # another process was faster
                    os.rename(work / "image", target)
            return self._record(replace(image, size=size), names, digests)

    def _work(self) -> contextlib.AbstractAsyncContextManager[Path]:
        return work_in(self._dir / "tmp", self._dir / "locks/tmp")

    def _record(self, image: Image, names: Sequence[str], digests: Sequence[str]) -> Image:
        def change(index: dict[str, Any]) -> Image:
            old = index["images"].get(image.id, {})
            for row in index["images"].values():  # a tag that moved leaves the image it named
                row["references"] = [r for r in row["references"] if r not in names]
            merged = replace(
                image,
                references=tuple(dict.fromkeys([*old.get("references", ()), *names])),
                digests=tuple(dict.fromkeys([*old.get("digests", ()), *digests])),
            )
            index["images"][image.id] = asdict(merged)
            return merged

        return self._change(change)

    # --- the index -----------------------------------------------------------------------------------

    def _index(self) -> dict[str, Any]:
        try:
            stamp = self._index_file.stat().st_mtime_ns
        except FileNotFoundError:
            return {"images": {}, "unpinned": []}
        if self._cache is None or self._cache[0] != stamp:
            try:
                index = orjson.loads(self._index_file.read_bytes())
                for row in index["images"].values():
                    _from_row(row)
                self._cache = stamp, {**index, "unpinned": list(index["unpinned"])}
            except (ValueError, TypeError, KeyError, AttributeError) as e:  # no JSON, or not of this shape
                raise ImageFailure(f"{self._index_file} is damaged ({e}); delete it and load the images again") from e
        return self._cache[1]

    def _change(self, change: Callable[[dict[str, Any]], T]) -> T:
        with exclusive(self._dir / "locks/index"):
            self._cache = None
            index = orjson.loads(orjson.dumps(self._index()))
            out = change(index)
            records.write_json(self._index_file, index)
            self._cache = None
            return out


@contextlib.contextmanager
def _disk_failures() -> Iterator[None]:
    """A full disk, or a program that cannot be started, is a failure of this image only."""
    try:
        yield
    except OSError as e:
        raise ImageFailure(f"image store: {e.strerror or e}") from e


def _from_row(row: Mapping[str, Any]) -> Image:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    return Image(**fields)


def _in_use(root: Path) -> bool:
    """A container's root stands on it."""
    return mount_source(root) in kernel.mount_sources("overlay")


def _describe(layout: Path) -> tuple[Image, int]:
    """The image of a one-image OCI layout and its size, layers as they travelled. ImageFailure where it is none."""

    def read(path: Path) -> Any:
        with open(path, "rb") as f:
            return orjson.loads(f.read(_DOCUMENT_LIMIT))

    def blob(digest: str) -> Any:
        return read(layout / "blobs" / digest.replace(":", "/"))

    try:
        manifest = blob(read(layout / "index.json")["manifests"][0]["digest"])
        config = blob(manifest["config"]["digest"]).get("config") or {}
        image = Image(
            id=manifest["config"]["digest"],
            references=(),
            user=_text(config.get("User")),
            env=_texts(config.get("Env")),
            entrypoint=_texts(config.get("Entrypoint")),
            cmd=_texts(config.get("Cmd")),
            working_dir=_text(config.get("WorkingDir")),
            stop_signal=_text(config.get("StopSignal")) or "SIGTERM",
            volumes=_texts(list(config.get("Volumes") or ())),
        )
        if len(image.volumes) > _VOLUMES_LIMIT:
            raise ImageFailure(f"the image declares more than {_VOLUMES_LIMIT} volumes")
        return image, sum(int(layer["size"]) for layer in manifest["layers"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as e:
        raise ImageFailure(f"not a container image: {e}") from e


def _text(value: Any) -> str:
    """A string of an image's configuration, "" where it is missing. ValueError where it is no string that a system call
    takes."""
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{value!r:.80} in its configuration is not a string without NUL characters")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values or [], list):
        raise ValueError(f"{values!r:.80} in its configuration is not a list")
    return tuple(_text(v) for v in values or ())


def _auth_options(file: Path, registry: str, auth: Mapping[str, str]) -> list[str]:
    """skopeo's options for one set of credentials (``username`` and ``password``, or ``auth``), if any."""
    if not auth:
        return []
    plain = f"{auth.get('username', '')}:{auth.get('password', '')}"
    row = {"auth": auth.get("auth") or base64.b64encode(plain.encode()).decode()}
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
        f.write(orjson.dumps({"auths": {registry: row}}))
    return [f"--authfile={file}"]


def _worded(ref: references.Reference, words: str) -> str:
    """skopeo's words in containerd's, where the cause is a usual one."""
    if "manifest unknown" in words or "not found" in words or "name unknown" in words:
        return f"{ref}: not found"
    if "unauthorized" in words or "authentication required" in words or "denied" in words:
        return "pull access denied, repository does not exist or may require authorization: " + words
    return words
