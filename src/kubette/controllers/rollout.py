"""The arithmetic of a rollout: how many replicas each ReplicaSet of a Deployment should have next.

Pure. Source: upstream's ``deployment/rolling.go``, ``sync.go`` and ``util/deployment_util.go``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubette.api import intstr, meta
from kubette.api.meta import Object

REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def replicas(obj: Object) -> int:
    return int(obj["spec"].get("replicas", 1))


def available(rs: Object) -> int:
    return int((rs.get("status") or {}).get("availableReplicas", 0))


def rolling(deployment: Object) -> bool:
    kind = (deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate")
    return str(kind) == "RollingUpdate"


def limits(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; never both zero."""
    if not rolling(deployment):
        return 0, 0
    given = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    total = replicas(deployment)
    surge = intstr.scaled(given.get("maxSurge", "25%"), total, round_up=True)
    unavailable = intstr.scaled(given.get("maxUnavailable", "25%"), total, round_up=False)
    if not surge and not unavailable:
        unavailable = 1
    return surge, min(unavailable, total)


def new_size(deployment: Object, new: Object | None, everyone: Sequence[Object]) -> int:
    """Replicas for the ReplicaSet of the present template, as far as the surge allows."""
    wanted = replicas(deployment)
    if not rolling(deployment):
        return wanted
    mine = replicas(new) if new is not None else 0
    room = wanted + limits(deployment)[0] - sum(map(replicas, everyone))
    return mine if room <= 0 else mine + min(room, wanted - mine)


def old_sizes(deployment: Object, new: Object, old: Sequence[Object]) -> dict[str, int]:
    """Smaller sizes for old ReplicaSets, by name: unhealthy pods first, then as availability allows."""
    everyone = [*old, new]
    least = replicas(deployment) - limits(deployment)[1]
    unavailable = replicas(new) - available(new)
    budget = sum(map(replicas, everyone)) - least - unavailable
    if budget <= 0 or not sum(map(replicas, old)):
        return {}
    sizes = {meta.name(rs): replicas(rs) for rs in old}
    ordered = sorted(old, key=lambda rs: str(rs["metadata"].get("creationTimestamp", "")))
    for rs in ordered:  # pods that never became available: nobody misses them
        dead = min(budget, max(0, sizes[meta.name(rs)] - available(rs)))
        sizes[meta.name(rs)] -= dead
        budget -= dead
    budget = sum(map(available, everyone)) - least
    for rs in ordered:
        less = max(0, min(budget, sizes[meta.name(rs)]))
        sizes[meta.name(rs)] -= less
        budget -= less
    return {meta.name(rs): sizes[meta.name(rs)] for rs in old if sizes[meta.name(rs)] != replicas(rs)}


def proportional(deployment: Object, new: Object | None, old: Sequence[Object]) -> dict[str, int]:
    """Sizes by name when only the wanted number changed: shared in proportion while a rollout is under way."""
    wanted = replicas(deployment)
    everyone = [*old, *([new] if new is not None else [])]
    running = [rs for rs in everyone if replicas(rs)]
    if len(running) <= 1:
        target = running[0] if running else new or max(old, key=revision, default=None)
        return {meta.name(target): wanted} if target is not None and replicas(target) != wanted else {}
    if new is not None and saturated(deployment, new):
        return {meta.name(rs): 0 for rs in old if replicas(rs)}
    if not rolling(deployment):
        return {}
    allowed = wanted + limits(deployment)[0] if wanted else 0
    missing = allowed - sum(map(replicas, running))
    biggest = sorted(running, key=lambda rs: (-replicas(rs), str(rs["metadata"].get("creationTimestamp", ""))))
    sizes, given = {meta.name(rs): replicas(rs) for rs in biggest}, 0
    for rs in biggest if missing else []:
        share = _share(deployment, rs, missing, given, allowed)
        sizes[meta.name(rs)] += share
        given += share
    first = meta.name(biggest[0])
    sizes[first] = max(0, sizes[first] + missing - given)
    return {meta.name(rs): sizes[meta.name(rs)] for rs in running if sizes[meta.name(rs)] != replicas(rs)}


def _share(deployment: Object, rs: Object, missing: int, given: int, allowed: int) -> int:
    before = int(meta.annotations(rs).get(MAXIMUM) or (deployment.get("status") or {}).get("replicas") or 0)
    if not before:
        return 0
    exact = replicas(rs) * allowed / before
    share = int(exact + 0.5) - replicas(rs)
    left = missing - given
    return min(share, left) if missing > 0 else max(share, left)


def saturated(deployment: Object, rs: Object) -> bool:
    """It has all the replicas that the Deployment wants, all of them available."""
    wanted = replicas(deployment)
    return replicas(rs) == wanted and meta.annotations(rs).get(DESIRED) == str(wanted) and available(rs) == wanted


def revision(rs: Object) -> int:
    text = meta.annotations(rs).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def template_hash(template: Object, collisions: int) -> str:
    """A short name for a template: FNV-1a of its canonical JSON in letters that form no words.

    Of our own: upstream hashes a Go dump of its types, which nothing else can reproduce."""
    import orjson

    value = 0x811C9DC5
    data = orjson.dumps(normal(template), option=orjson.OPT_SORT_KEYS)
    for byte in data + (collisions.to_bytes(8, "little") if collisions else b""):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


def same_template(a: Object, b: Object) -> bool:
    """Equal but for the hash label."""
    return bool(normal(a) == normal(b))


def normal(template: Object) -> Any:
    m = {k: v for k, v in (template.get("metadata") or {}).items() if k != "creationTimestamp"}
    labels = {k: v for k, v in (m.get("labels") or {}).items() if k != HASH_LABEL}
    return _bare({**template, "metadata": {**m, "labels": labels}})


def _bare(value: Any) -> Any:
    """Without nulls and empty maps and lists in maps: they mean the same as nothing."""
    if isinstance(value, dict):
        cleaned = {k: _bare(v) for k, v in value.items()}
        # An empty struct such as `emptyDir: {}` says something: only nulls and empty lists are dropped.
        return {k: v for k, v in cleaned.items() if v is not None and v != []}
    if isinstance(value, list):
        return [_bare(v) for v in value]
    return value
