"""Files made from API objects, replaced as a whole: readers see the old set or the new one, never a mixture.

As upstream's ``AtomicWriter``: the files lie in a dated directory, ``..data`` points at it, and what the
user sees are links through ``..data``. One rename switches all of them.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubette.agent.volumes.base import VolumeError

Obj = dict[str, Any]
DEFAULT_MODE = 0o644
_STAMP = "..%Y_%m_%d_%H_%M_%S."  # what the name of a dated directory begins with
_DATED = re.compile(r"\.\.\d{4}(_\d\d){5}\..+")


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    mode: int
    uid: int | None = None


Payload = Mapping[str, File]  # relative path → file


def of_data(obj: Obj | None, source: Obj, mode: int, word: str) -> dict[str, File]:
    """The files of a ConfigMap or Secret: all its keys, or the ``items`` chosen. ``word``: "config" or "secret"."""
    obj = obj or {}
    if word == "secret":
        data = {k: base64.b64decode(v) for k, v in (obj.get("data") or {}).items()}
    else:
        data = {k: str(v).encode() for k, v in (obj.get("data") or {}).items()}
        data |= {k: base64.b64decode(v) for k, v in (obj.get("binaryData") or {}).items()}
    items = source.get("items") or ()
    if not items:
        return {k: File(v, mode) for k, v in data.items()}
    out = {}
    for item in items:
        if item["key"] not in data:
            if source.get("optional"):
                continue
            raise VolumeError(f"references non-existent {word} key: {item['key']}")
        own = item.get("mode")
        out[checked(item["path"])] = File(data[item["key"]], mode if own is None else int(own))
    return out


def checked(path: str) -> str:
    """A relative path that stays inside. VolumeError otherwise."""
    parts = Path(path).parts
    if not parts or os.path.isabs(path) or ".." in parts or parts[0].startswith(".."):
        raise VolumeError(f"invalid path: must be relative and stay inside of the volume: {path}")
    return str(Path(*parts))


def default_mode(source: Obj) -> int:
    mode = source.get("defaultMode")
    return DEFAULT_MODE if mode is None else int(mode)


async def write(target: Path, payload: Payload, group: int | None) -> bool:
    """Make ``target`` hold exactly the payload; True when anything changed."""
    return await asyncio.to_thread(_write, target, payload, group)


def _write(target: Path, payload: Payload, group: int | None) -> bool:
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o755)
    data = target / "..data"
    old = target / os.readlink(data) if data.is_symlink() else None
    if old is not None and _same(old, payload, group):
        _link(target, payload)
        return False
    fresh = Path(tempfile.mkdtemp(prefix=datetime.now(UTC).strftime(_STAMP), dir=target))
    try:
        _fill(fresh, payload, group)
        link = target / "..data_tmp"
        link.unlink(missing_ok=True)
        link.symlink_to(fresh.name)
        link.rename(data)
    except BaseException:  # a full disk: the next attempt must not find it fuller
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _link(target, payload)
    for entry in list(target.iterdir()):  # not the directories that a subPath has made
        if _DATED.fullmatch(entry.name) and entry != fresh and entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
    return True


def _fill(directory: Path, payload: Payload, group: int | None) -> None:
    directory.chmod(0o755)
    for name, file in payload.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_bytes(file.data)
        os.chown(path, -1 if file.uid is None else file.uid, -1 if group is None else group)
        path.chmod(_mode(file, group))


def _mode(file: File, group: int | None) -> int:
    return file.mode | (0o440 if group is not None else 0)


def _same(old: Path, payload: Payload, group: int | None) -> bool:
    present = {str(p.relative_to(old)) for p in old.rglob("*") if p.is_file()}
    if present != payload.keys():
        return False
    for name, file in payload.items():
        stat = (old / name).stat()
        if stat.st_mode & 0o7777 != _mode(file, group) or (old / name).read_bytes() != file.data:
            return False
    return True


def _link(target: Path, payload: Iterable[str]) -> None:
    wanted = {Path(name).parts[0] for name in payload}
    for entry in target.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
    for name in wanted:
        path = target / name
        if not path.is_symlink():
            path.symlink_to(f"..data/{name}")
