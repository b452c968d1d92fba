"""Contexts of clusters in the user's kubeconfig: one ``kubette-N`` each, and no other entry touched."""

from __future__ import annotations

import os
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
    """$KUBECONFIG's first file, else ~/.kube/config."""
    named = os.environ.get("KUBECONFIG", "").split(":")[0]
    return Path(named) if named else Path.home() / ".kube" / "config"


def merge(document: Document, addition: Mapping[str, Any]) -> Document:
    """``document`` with the entries of ``addition``, which becomes current. Pure."""
    out = {"apiVersion": "v1", "kind": "Config", "preferences": {}, **document}
    for section in _SECTIONS:
        names = {row["name"] for row in addition[section]}
        kept = [row for row in out.get(section) or () if row.get("name") not in names]
        out[section] = [*kept, *addition[section]]
    out["current-context"] = addition["current-context"]
    return out


def without(document: Document, context: str, user: str) -> Document:
    """``document`` without what ``merge`` added for ``context``. Pure."""
    out = dict(document)
    for section in _SECTIONS:
        name = user if section == "users" else context
        out[section] = [row for row in out.get(section) or () if row.get("name") != name]
    if out.get("current-context") == context:
        out["current-context"] = out["contexts"][0]["name"] if out["contexts"] else ""
    return out


def add(path: Path, addition: Mapping[str, Any]) -> None:
    """Merge into the file at ``path``, which is made when missing. ClusterError when it is no kubeconfig."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        _write(path, merge(_read(path), addition))


def remove(path: Path, context: str, user: str) -> None:
    """Take a cluster's entries out; a file that holds nothing else then is removed."""
    if not path.exists():
        return
    with _locked(path):
        before = _read(path)
        after = without(before, context, user)
        if not any(after.get(section) for section in _SECTIONS):
            path.unlink()
        elif after != before:
            _write(path, after)


def _read(path: Path) -> Document:
    import yaml

    try:
        document = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ClusterError(f"kubeconfig {path} cannot be read: {error}") from error
    if document is not None and not isinstance(document, dict):
        raise ClusterError(f"kubeconfig {path} is no kubeconfig; move it away or set KUBECONFIG")
    return document or {}


def _write(path: Path, document: Document) -> None:
    import yaml

    path = path.resolve()
    text = yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
    temporary = path.with_name(path.name + ".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    os.replace(temporary, path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """By ``FILE.lock``, as kubectl and client-go lock it (client-go's ``clientcmd.lockFile``)."""
    lock = path.with_name(path.name + ".lock")
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
