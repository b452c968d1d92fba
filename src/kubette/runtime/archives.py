"""What images an archive file holds: docker-archive (``docker save``) or OCI archive, also gzipped.

Reads, unpacks nothing. A file that is no image gets one clear sentence.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubette.runtime.interface import ImageFailure

_MANIFEST_LIMIT = 4 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One image: where skopeo finds it, and the references it was saved under."""

    source: str
    names: tuple[str, ...]


def inspect(file: Path) -> list[Entry]:
    """The images of an archive, at least one; ImageFailure otherwise."""
    if not file.is_file():
        raise ImageFailure(f"{file}: no such file")
    try:
        with tarfile.open(file, "r:*") as tar:
            docker, oci = _member(tar, "manifest.json"), _member(tar, "index.json")
        if docker is not None:
            return _docker(file, docker)
        if oci is not None:
            return _oci(file, oci)
    except (tarfile.TarError, EOFError, OSError) as e:
        raise ImageFailure(f"{file} is not an image archive: {e}") from e
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise ImageFailure(f"{file} is not an image archive: its manifest cannot be read ({e})") from e
    raise ImageFailure(f"{file} is not an image archive: it has neither manifest.json nor index.json")


def _member(tar: tarfile.TarFile, name: str) -> Any:
    for candidate in (name, "./" + name):
        try:
            info = tar.getmember(candidate)
        except KeyError:
            continue
        handle = tar.extractfile(info) if info.isfile() and info.size <= _MANIFEST_LIMIT else None
        if handle is not None:
            return json.loads(handle.read())
    return None


def _docker(file: Path, manifest: Any) -> list[Entry]:
    out = [
        Entry(f"docker-archive:{file}:@{number}", tuple(entry.get("RepoTags") or ()))
        for number, entry in enumerate(manifest)
        if entry["Config"]
    ]
    if not out:
        raise ImageFailure(f"{file} holds no image")
    return out


def _oci(file: Path, index: Any) -> list[Entry]:
    rows = index["manifests"]
    out = []
    for row in rows:
        notes = row.get("annotations") or {}
        short = notes.get("org.opencontainers.image.ref.name", "")
        full = notes.get("io.containerd.image.name") or (short if ":" in short or "/" in short else "")
        source = f"oci-archive:{file}:{short}" if short and len(rows) > 1 else f"oci-archive:{file}"
        out.append(Entry(source, (full,) if full else ()))
    if not out:
        raise ImageFailure(f"{file} holds no image")
    if len(rows) > 1 and any(e.source == f"oci-archive:{file}" for e in out):
        raise ImageFailure(f"{file} holds several images without names")
    return out
