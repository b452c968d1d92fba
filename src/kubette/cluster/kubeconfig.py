"""Contexts of clusters in the user's kubeconfig: one ``kubette-N`` each, and no other entry touched."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubette.clusterspec import ClusterError

Document = dict[str, Any]
_LOCK_SECONDS = 5.0
_SECTIONS = ("clusters", "users", "contexts")


def default_path() -> Path:
    """Where kubectl would write: of $KUBECONFIG's files the first that exists, else its last; without it
    ~/.kube/config (client-go's ``PathOptions.GetDefaultFilename``). Under sudo, ~ is the calling user's."""
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(":") if part]
    if not named:
        caller = sudo_caller()
        return (Path(caller.pw_dir) if caller else Path.home()) / ".kube" / "config"
    return next((path for path in named if path.exists()), named[-1])


def sudo_caller() -> pwd.struct_passwd | None:
    """The user who ran sudo, or None where root acts for itself (sudo(8), SUDO_UID)."""
    uid = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not uid.isdecimal() or int(uid) == 0:
        return None
    try:
        return pwd.getpwuid(int(uid))
    except KeyError:
        return None


def merge(document: Document, addition: Mapping[str, Any]) -> Document:
    """``document`` with the entries of ``addition``, which becomes current. Pure."""
    out = {"apiVersion": "v1", "kind": "Config", "preferences": {}, **document}
    for section in _SECTIONS:
        names = {row["name"] for row in addition[section]}
        kept = [row for row in out.get(section) or () if row.get("name") not in names]
        out[section] = [*kept, *addition[section]]
    out["current-context"] = addition["current-context"]
    return out


def without(document: Document, context: str, user: str, before: str = "") -> Document:
    """``document`` without what ``merge`` added for ``context``; ``before`` is current again if it is still there,
    and no other: the user is never switched to a different cluster. Pure."""
    out = dict(document)
    for section in _SECTIONS:
        name = user if section == "users" else context
        out[section] = [row for row in out.get(section) or () if row.get("name") != name]
    if out.get("current-context") == context:
        out["current-context"] = before if any(row.get("name") == before for row in out["contexts"]) else ""
    return out


def add(path: Path, addition: Mapping[str, Any]) -> None:
    """Merge into the file at ``path``, which is made when missing. ClusterError when it is no kubeconfig."""
    with _locked(path):
        _write(path, merge(_read(path), addition))


def check(path: Path) -> None:
    """ClusterError when a context could not be merged into the file at ``path``."""
    _read(path)
    there = next(p for p in (path.resolve(), *path.resolve().parents) if p.exists())
    if not os.access(there, os.W_OK) or not os.access(there if there.is_dir() else there.parent, os.W_OK):
        raise ClusterError(f"kubeconfig {path} cannot be written; name another with --kubeconfig or KUBECONFIG")


def current(path: Path) -> str:
    """The file's current context, if it says one."""
    return str(_read(path).get("current-context") or "")


def remove(path: Path, context: str, user: str, current: str = "") -> None:
    """Take a cluster's entries out, and make ``current`` the current context if ours was; a file that holds
    nothing else then is removed."""
    if not path.exists():
        return
    with _locked(path):
        before = _read(path)
        after = without(before, context, user, current)
        if after == before:
            return
        if not any(after.get(section) for section in _SECTIONS):
            path.unlink()
        else:
            _write(path, after)


def _read(path: Path) -> Document:
    import yaml

    try:
        document = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ClusterError(f"kubeconfig {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise ClusterError(f"kubeconfig {path} is not YAML{where}; mend it, or name another with KUBECONFIG") from error
    document = {} if document is None else document
    if not isinstance(document, dict) or not all(_is_section(document.get(section)) for section in _SECTIONS):
        raise ClusterError(f"{path} is not a kubeconfig; move it away, or name another with KUBECONFIG")
    return document


def _is_section(rows: object) -> bool:
    return rows is None or (isinstance(rows, list) and all(isinstance(row, dict) for row in rows))


def _write(path: Path, document: Document) -> None:
    """Write atomically, mode 0600, since there are keys in it. A file keeps its owner; a new one belongs to the
    user who ran sudo."""
    import yaml

    path = path.resolve()
    text = yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
    temporary = path.with_name(path.name + ".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        if path.exists():
            os.fchown(f.fileno(), path.stat().st_uid, path.stat().st_gid)
        elif caller := sudo_caller():
            os.fchown(f.fileno(), caller.pw_uid, caller.pw_gid)
        f.write(text)
    os.replace(temporary, path)


def _make_directory(directory: Path) -> None:
    """Make ``directory`` and its parents; new ones belong to the user who ran sudo."""
    if directory.is_dir():
        return
    _make_directory(directory.parent)
    directory.mkdir(exist_ok=True)
    if caller := sudo_caller():
        os.chown(directory, caller.pw_uid, caller.pw_gid)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """By ``FILE.lock``, as kubectl and client-go lock it (client-go's ``clientcmd.lockFile``)."""
    lock = path.with_name(path.name + ".lock")
    _make_directory(path.parent)
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise ClusterError(f"kubeconfig {path} is locked; if nobody is writing to it, remove {lock}") from None
            time.sleep(0.02)
    try:
        yield
    finally:
        lock.unlink()
