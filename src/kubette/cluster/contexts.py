"""Where a cluster's context was written, so that ``down`` takes it out of every kubeconfig that has it.

KUBECONFIG may say another thing when a cluster goes than it said when the cluster came. The list also knows
which context was current before, and gives that one back: never another that merely happens to be there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kubette.cluster import kubeconfig
from kubette.clusterspec import ClusterSpec


def _file(spec: ClusterSpec) -> Path:
    return spec.data_dir / "kubeconfigs.json"


def _known(spec: ClusterSpec) -> dict[str, str]:
    """Kubeconfig → the context that was current in it before."""
    try:
        stored = json.loads(_file(spec).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(k): str(v) for k, v in stored.items()} if isinstance(stored, dict) else {}


def enter(spec: ClusterSpec, path: Path, addition: dict[str, Any]) -> None:
    """Merge the cluster's context into the kubeconfig at ``path`` and make it current."""
    path = path.absolute()
    known = _known(spec)
    before = kubeconfig.current(path)
    if str(path) not in known or before not in (spec.context, ""):
        known[str(path)] = "" if before == spec.context else before
        # Noted before it is done: a killed `up` leaves no context that nobody knows of.
        _file(spec).write_text(json.dumps(known))
    kubeconfig.add(path, addition)


def leave(spec: ClusterSpec, path: Path) -> None:
    """Take the context out of ``path`` and of every other kubeconfig that was given it."""
    for file, before in {str(path.absolute()): "", **_known(spec)}.items():
        kubeconfig.remove(Path(file), spec.context, f"{spec.context}-admin", before)
