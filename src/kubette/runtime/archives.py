"""What images a file holds: docker-archive (``docker save``) or OCI archive, also compressed, or an OCI layout's
directory.

Unpacks no image. A file that is no image gets one clear sentence.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from kubette.runtime import diskspace
from kubette.runtime.interface import ImageFailure

_MANIFEST_LIMIT = 4 << 20
_MEMBERS_LIMIT = 1 << 16  # files in an archive: an image has a few for each layer
_BLOCK = 1 << 20
_COMPRESSED: dict[bytes, Callable[[Path], IO[bytes]]] = {
    b"\x1f\x8b": lambda path: cast(IO[bytes], gzip.GzipFile(path)),
    b"BZh": lambda path: cast(IO[bytes], bz2.BZ2File(path)),
    b"\xfd7zXZ\0": lambda path: cast(IO[bytes], lzma.LZMAFile(path)),  # noqa: SIM115
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of an archive, and the references it was saved under."""

    transport: str  # docker-archive | oci-archive | oci
    within: str  # which one of the archive's: "@0", a name, or "" for the only one
    names: tuple[str, ...]

    def source(self, name: str) -> str:
        """What skopeo calls it. ``name``: the uncompressed archive, a name without colons in the working directory."""
        return f"{self.transport}:{name}" + (f":{self.within}" if self.within else "")


def inspect(file: Path, plain: Path) -> list[Entry]:
    """The images of an archive, at least one; ImageFailure otherwise. ``plain``: the same, uncompressed."""
    try:
        if file.is_dir():
            with open(file / "index.json", "rb") as f:
                return _oci(file, json.loads(f.read(_MANIFEST_LIMIT)), "oci")
        with tarfile.open(plain, "r:") as tar:
            found = _members(tar, "manifest.json", "index.json")
        docker, oci = found.get("manifest.json"), found.get("index.json")
        if docker is not None:
            return _docker(file, docker)
        if oci is not None:
            return _oci(file, oci, "oci-archive")
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as e:
        why = "it is no tar file" if isinstance(e, tarfile.ReadError) else str(e)
        raise ImageFailure(f"{file} is not an image archive: {why}") from e
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise ImageFailure(f"{file} is not an image archive: its manifest cannot be read ({e})") from e
    raise ImageFailure(f"{file} is not an image archive: it has neither manifest.json nor index.json")


def plain(file: Path, scratch: Path) -> Path:
    """The archive uncompressed: itself, or a copy in ``scratch`` (skopeo cannot index a compressed one).

    ImageFailure when there is no such file, or its content would fill the disk."""
    if not file.exists():
        raise ImageFailure(f"{file}: no such file")
    if not file.is_file():
        if not (file / "index.json").is_file():
            raise ImageFailure(f"{file} is not an image archive: it is no file, and no directory with an index.json")
        return file
    with open(file, "rb") as f:
        magic = f.read(6)
    opener = next((o for start, o in _COMPRESSED.items() if magic.startswith(start)), None)
    if opener is None:
        return file
    try:
        with opener(file) as packed, open(scratch / "archive.tar", "wb") as out:
            while block := packed.read(_BLOCK):
                diskspace.require_reserve(scratch)
                out.write(block)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as e:
        raise ImageFailure(f"{file} is not an image archive: {e}") from e
    return scratch / "archive.tar"


def _members(tar: tarfile.TarFile, *names: str) -> dict[str, Any]:
    """The JSON documents of those names."""
    out: dict[str, Any] = {}
    for number, info in enumerate(tar):
        if number > _MEMBERS_LIMIT:
            raise ValueError("too many files")
        name = info.name.removeprefix("./")
        if name in names and info.isfile() and info.size <= _MANIFEST_LIMIT:
            handle = tar.extractfile(info)
            assert handle is not None
            out[name] = json.loads(handle.read())
    return out


def _docker(file: Path, manifest: Any) -> list[Entry]:
    out = [
        Entry("docker-archive", f"@{number}", tuple(entry.get("RepoTags") or ()))
        for number, entry in enumerate(manifest)
        if entry["Config"]
    ]
    if not out:
        raise ImageFailure(f"{file} holds no image")
    return out


def _oci(file: Path, index: Any, transport: str) -> list[Entry]:
    rows = index["manifests"]
    out = []
    for row in rows:
        notes = row.get("annotations") or {}
        short = notes.get("org.opencontainers.image.ref.name", "")
        full = notes.get("io.containerd.image.name") or (short if ":" in short or "/" in short else "")
        if not full:  # as podman does for an archive that names no repository
            full = f"localhost/{_repository(file)}:{short or 'latest'}"
        out.append(Entry(transport, short if len(rows) > 1 else "", (full,)))
    if not out:
        raise ImageFailure(f"{file} holds no image")
    if len(rows) > 1 and any(not e.within for e in out):
        raise ImageFailure(f"{file} holds several images without names")
    return out


def _repository(file: Path) -> str:
    stem = re.sub(r"(\.(oci|tar|tgz|gz|xz|zst))+$", "", file.name.lower())
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-") or "image"
