"""The image store: one a machine, unpacked once, shared by every node and cluster on it.

skopeo fetches, umoci unpacks; the index says what is there. Several processes use one store at once, so
changes hold a lock file and files are replaced, never edited. Local images (``local_images``) are pinned.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import orjson

from kubette.runtime import archives, kernel, local_images, records, references
from kubette.runtime.interface import Image, ImageFailure
from kubette.runtime.rootfs import RootSource

T = TypeVar("T")


class ImageStore:
    """Images in ``directory``. ``netns``: the network namespace that registries are reached from (a node's
    own does not reach a registry on the host's loopback)."""

    def __init__(self, directory: Path, netns: Path = Path("/proc/self/ns/net")) -> None:
        self._dir = directory
        self._netns = netns
        self._index_file = directory / "index.json"
        self._cache: tuple[int, dict[str, Any]] | None = None
        self._local: dict[str, Image] | None = None
        self._pulls: dict[str, asyncio.Lock] = {}
        for name in ("images", "local", "tmp", "locks"):
            (directory / name).mkdir(parents=True, exist_ok=True, mode=0o755)

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
            gone = Path(tempfile.mkdtemp(dir=self._dir / "tmp"))
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._dir / "images" / digest, gone / "image")
            await asyncio.to_thread(shutil.rmtree, gone, True)

    async def load(self, file: Path) -> Sequence[Image]:
        """The images of a docker-archive or OCI archive (also gzipped)."""
        out = []
        with tempfile.TemporaryDirectory(dir=self._dir / "tmp") as scratch:
            plain = await asyncio.to_thread(archives.plain, file, Path(scratch))
            for entry in await asyncio.to_thread(archives.inspect, file):
                names = [str(references.parse(n)) for n in entry.names]
                try:
                    out.append(await self._take(entry.source(plain), names, [], []))
                except ImageFailure as e:
                    raise ImageFailure(f"{file} holds no usable image: {e}", e.reason) from e
        return out

    async def pull(self, reference: str, auths: Sequence[Mapping[str, str]] = ()) -> Image:
        ref = references.parse(reference)
        if pinned := self._locals().get(str(ref)):
            return pinned
        lock = self._pulls.setdefault(str(ref), asyncio.Lock())
        async with lock:
            return await self._pull(ref, auths)

    async def _pull(self, ref: references.Reference, auths: Sequence[Mapping[str, str]]) -> Image:
        insecure = ref.is_loopback
        failures: list[str] = []
        for auth in [*auths, None] if auths else [None]:
            with _auth_file(self._dir / "tmp", ref.registry, auth) as options:
                try:
                    by = f"{ref.repository}@{ref.digest}" if ref.digest else str(ref)
                    tls = ["--tls-verify=false"] if insecure else []
                    raw = await self._skopeo("inspect", "--raw", *tls, *options, f"docker://{by}")
                    digest = ref.digest or "sha256:" + hashlib.sha256(raw).hexdigest()
                    exact = f"{ref.repository}@{digest}"
                    known = next((i for i in self._stored() if exact in i.digests), None)
                    names = [f"{ref.repository}:{ref.tag}"] if ref.tag else []
                    if known:
                        return self._record(known, names, [exact])
                    tls = ["--src-tls-verify=false"] if insecure else []
                    options = [o.replace("--authfile", "--src-authfile") for o in options]
                    return await self._take(f"docker://{exact}", names, [exact], [*tls, *options])
                except ImageFailure as e:
                    failures.append(str(e))
        words = failures[0]
        if "manifest unknown" in words or "not found" in words or "name unknown" in words:
            why = f"{ref}: not found"
        elif "unauthorized" in words or "authentication required" in words or "denied" in words:
            why = "pull access denied, repository does not exist or may require authorization: " + words
        else:
            why = words
        raise ImageFailure(f'failed to pull and unpack image "{ref}": failed to resolve reference "{ref}": {why}')

    async def _take(self, source: str, names: Sequence[str], digests: Sequence[str], options: Sequence[str]) -> Image:
        """Copy an image to a layout of its own, unpack it, and enter it into the index."""
        work = Path(tempfile.mkdtemp(dir=self._dir / "tmp"))
        try:
            layout = work / "oci"
            await self._skopeo("copy", "--insecure-policy", "--quiet", *options, source, f"oci:{layout}:image")
            image, size = _describe(layout)
            target = self._dir / "images" / image.id.removeprefix("sha256:")
            if not target.is_dir():
                (work / "image").mkdir()
                await _run([_tool("umoci"), "raw", "unpack", "--image", f"{layout}:image", str(work / "image/rootfs")])
                (work / "image").chmod(0o755)
                with contextlib.suppress(OSError):  # another process was faster
                    os.rename(work / "image", target)
            return self._record(replace(image, size=size), names, digests)
        finally:
            await asyncio.to_thread(shutil.rmtree, work, True)

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
            self._cache = stamp, orjson.loads(self._index_file.read_bytes())
        return self._cache[1]

    def _change(self, change: Callable[[dict[str, Any]], T]) -> T:
        with open(self._dir / "locks/index", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._cache = None
            index = orjson.loads(orjson.dumps(self._index()))
            out = change(index)
            records.write_json(self._index_file, index)
            self._cache = None
            return out

    async def _skopeo(self, *argv: str) -> bytes:
        """Run in the network namespace that registries are reached from."""
        try:
            netns = os.open(self._netns, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise ImageFailure(f"the network to pull from: {e}") from e
        try:
            return await _run([_tool("nsenter"), f"--net=/proc/self/fd/{netns}", _tool("skopeo"), *argv], netns)
        finally:
            os.close(netns)


def _from_row(row: Mapping[str, Any]) -> Image:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    return Image(**fields)


def _in_use(root: Path) -> bool:
    """A container's root stands on it."""
    return f"lowerdir={root}," in Path("/proc/self/mountinfo").read_text()


def _describe(layout: Path) -> tuple[Image, int]:
    """The image of a one-image OCI layout and its size, layers as they travelled."""

    def blob(digest: str) -> Any:
        return orjson.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())

    try:
        manifest = blob(orjson.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"])
        config = blob(manifest["config"]["digest"]).get("config") or {}
        image = Image(
            id=manifest["config"]["digest"],
            references=(),
            user=config.get("User") or "",
            env=tuple(config.get("Env") or ()),
            entrypoint=tuple(config.get("Entrypoint") or ()),
            cmd=tuple(config.get("Cmd") or ()),
            working_dir=config.get("WorkingDir") or "",
            stop_signal=config.get("StopSignal") or "SIGTERM",
            volumes=tuple(config.get("Volumes") or ()),
        )
        return image, sum(int(layer["size"]) for layer in manifest["layers"])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as e:
        raise ImageFailure(f"not a container image: {e}") from e


@contextlib.contextmanager
def _auth_file(directory: Path, registry: str, auth: Mapping[str, str] | None) -> Iterator[list[str]]:
    """skopeo's options for one set of credentials (``username`` and ``password``, or ``auth``)."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix="auth-", suffix=".json") as f:
        auths = {}
        if auth:
            plain = f"{auth.get('username', '')}:{auth.get('password', '')}"
            auths[registry] = {"auth": auth.get("auth") or base64.b64encode(plain.encode()).decode()}
        f.write(orjson.dumps({"auths": auths}))
        f.flush()
        yield ["--authfile", f.name] if auth else []


def _tool(name: str) -> str:
    path = kernel.which(name)
    if path is None:
        raise ImageFailure(f"{name} is not installed on this machine")
    return path


async def _run(argv: Sequence[str], *inherited: int) -> bytes:
    """What it printed, or ImageFailure with its last words. ``inherited``: descriptors it may use."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*argv, stdin=null, stdout=pipe, stderr=pipe, pass_fds=inherited)
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        lines = err.decode(errors="replace").strip().splitlines() or [f"exit status {process.returncode}"]
        words = next((line for line in reversed(lines) if "level=fatal" in line), lines[-1])
        if 'msg="' in words:
            words = words.partition('msg="')[2].rstrip('"').replace('\\"', '"').replace("\\\\", "\\")
        raise ImageFailure(words)
    return out
