"""On which nodes a DaemonSet's pods must, may and must not run, and which to replace next. Pure.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/ and upstream's ``daemon/``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kubette.api import intstr, meta
from kubette.api.meta import Object
from kubette.api.placement import node_suits
from kubette.api.taints import tolerated
from kubette.controllers import pods as podlib
from kubette.controllers.replicas import new_pod
from kubette.controllers.revisions import HASH, hash_of

GENERATION = "deprecated.daemonset.template.generation"  # annotation
_GENERATION_LABEL = "pod-template-generation"
#: Where a daemon stays, or comes, when other pods would not.
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_ON_HOST_NETWORK = (("node.kubernetes.io/network-unavailable", "NoSchedule"),)


@dataclass(slots=True)
class DaemonPlan:
    create: list[str] = field(default_factory=list)  # names of nodes
    delete: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)  # ended by themselves: to be deleted, and not too fast
    status: Object = field(default_factory=dict)
    again: float | None = None


def tolerations(spec: Object) -> list[Object]:
    """The template's, and those of every daemon."""
    given = list(spec.get("tolerations") or ())
    for key, effect in (*_TOLERATED, *(_ON_HOST_NETWORK if spec.get("hostNetwork") else ())):
        same = [t for t in given if t.get("key") == key and t.get("effect") == effect and t.get("operator") == "Exists"]
        if not same:
            given.append({"key": key, "operator": "Exists", "effect": effect})
    return given


def daemon(owner: Object, node: str, digest: str) -> Object:
    """The pod for a node: the scheduler binds it, and may bind it to no other."""
    pod = new_pod(owner)
    labels = pod["metadata"].setdefault("labels", {})
    labels[HASH] = digest
    if generation := meta.annotations(owner).get(GENERATION):
        labels[_GENERATION_LABEL] = generation
    spec = pod["spec"]
    spec["tolerations"] = tolerations(spec)
    only = {"key": "metadata.name", "operator": "In", "values": [node]}
    affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    required = affinity.setdefault("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = copy.deepcopy(required.get("nodeSelectorTerms") or [{}])
    required["nodeSelectorTerms"] = [{**term, "matchFields": [only]} for term in terms]
    return pod


def node_of(pod: Object) -> str:
    """Where it runs, or is to run."""
    if name := pod["spec"].get("nodeName"):
        return str(name)
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for wanted in term.get("matchFields") or ():
            if wanted.get("key") == "metadata.name" and len(wanted.get("values") or ()) == 1:
                return str(wanted["values"][0])
    return ""


def suits(owner: Object, node: Object) -> tuple[bool, bool]:
    """(a pod should be started there, one that runs there may stay)."""
    spec = owner["spec"]["template"]["spec"]
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    if spec.get("nodeName") not in (None, "", meta.name(node)):
        return False, False
    if not node_suits(spec.get("nodeSelector") or {}, affinity, meta.name(node), meta.labels(node)):
        return False, False
    accepted = tolerations(spec)
    refused = [t for t in (node.get("spec") or {}).get("taints") or () if not tolerated(t, accepted)]
    effects = {t.get("effect") for t in refused}
    return not effects & {"NoSchedule", "NoExecute"}, "NoExecute" not in effects


def decide(
    owner: Object, nodes: Mapping[str, Object], pods: Iterable[Object], digest: str, now: datetime
) -> DaemonPlan:
    """``pods``: the DaemonSet's; ``digest``: the hash of its present template."""
    out = DaemonPlan()
    on: dict[str, list[Object]] = {}
    for pod in pods:
        if name := node_of(pod):
            on.setdefault(name, []).append(pod)
    wanted, surge = [], limits(owner, 1)[1] > 0 and not _by_hand(owner)
    for name in sorted({*nodes, *on}):
        should, may = suits(owner, nodes[name]) if name in nodes else (False, False)
        here = on.get(name, [])
        wanted += [name] if should else []
        if should and not here:
            out.create.append(name)
        elif not may:
            out.delete += [p for p in here if not meta.deleting(p)]
        else:
            ended = [p for p in here if podlib.terminal(p) and not meta.deleting(p)]
            out.failed += ended
            out.delete += _twins([p for p in here if podlib.active(p)], digest, surge)
    _roll(owner, wanted, on, digest, out, now)
    out.status = _status(owner, wanted, on, digest, now, set(nodes))
    waits = [podlib.available_in(p, _patience(owner), now) for rows in on.values() for p in rows]
    out.again = min((w for w in waits if w), default=None)
    return out


def limits(owner: Object, desired: int) -> tuple[int, int]:
    """(maxUnavailable, maxSurge) in nodes; never both zero."""
    rolling = (owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    surge = intstr.scaled(rolling.get("maxSurge", 0), desired, round_up=True)
    unavailable = intstr.scaled(rolling.get("maxUnavailable", 1), desired, round_up=True)
    return (unavailable, surge) if unavailable or surge else (1, 0)


def _by_hand(owner: Object) -> bool:
    return (owner["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"


def _patience(owner: Object) -> int:
    return int(owner["spec"].get("minReadySeconds", 0))


def _available(owner: Object, pod: Object, now: datetime) -> bool:
    return podlib.available_in(pod, _patience(owner), now) == 0 and podlib.active(pod)


def _twins(here: Sequence[Object], digest: str, surge: bool) -> list[Object]:
    """All but the oldest of a node's pods; while surging, the oldest of the old and of the new each."""
    ordered = sorted(here, key=lambda p: (not p["spec"].get("nodeName"), str(p["metadata"].get("creationTimestamp"))))
    if not surge:
        return ordered[1:]
    new, old = ([p for p in ordered if (hash_of(p) == digest) == which] for which in (True, False))
    return [*new[1:], *old[1:]]


def _roll(
    owner: Object, wanted: Sequence[str], on: Mapping[str, list[Object]], digest: str, out: DaemonPlan, now: datetime
) -> None:
    """One step of a rolling update."""
    if _by_hand(owner):
        return
    unavailable, surge = limits(owner, len(wanted))
    rows = []  # (node, new pod, old pod) of each node where there is an old one, or none
    for name in wanted:
        active = [p for p in on.get(name, ()) if podlib.active(p) and not any(p is d for d in out.delete)]
        new = next((p for p in active if hash_of(p) == digest), None)
        old = next((p for p in active if hash_of(p) != digest), None)
        rows.append((name, new, old))
    if surge:
        _surge(owner, rows, on, surge, out, now)
        return
    missing = sum(not any(p is not None and _available(owner, p, now) for p in (new, old)) for _, new, old in rows)
    budget = unavailable - missing
    for _, new, old in rows:
        if new is not None or old is None:
            continue
        if not _available(owner, old, now):
            out.delete.append(old)  # nobody misses it
        elif budget > 0:
            budget -= 1
            out.delete.append(old)


def _surge(
    owner: Object,
    rows: Sequence[tuple[str, Object | None, Object | None]],
    on: Mapping[str, list[Object]],
    most: int,
    out: DaemonPlan,
    now: datetime,
) -> None:
    """The new pod first; the old one goes when that is available, or if it was not so itself."""
    budget = most - sum(new is not None and old is not None for _, new, old in rows)
    for name, new, old in rows:
        if old is None:
            continue
        if new is not None:
            if _available(owner, new, now):
                out.delete.append(old)
        elif any(meta.deleting(p) for p in on.get(name, ())):
            continue
        elif not _available(owner, old, now):
            out.create.append(name)
        elif budget > 0:
            budget -= 1
            out.create.append(name)


def _status(
    owner: Object, wanted: Sequence[str], on: Mapping[str, list[Object]], digest: str, now: datetime, nodes: set[str]
) -> Object:
    scheduled = ready = available = updated = 0
    for name in wanted:
        here = sorted((p for p in on.get(name, ()) if not meta.deleting(p)), key=lambda p: not podlib.ready(p))
        if not here:
            continue
        scheduled += 1
        first = here[0]
        ready += podlib.ready(first)
        available += _available(owner, first, now)
        updated += hash_of(first) == digest
    strangers = (rows for name, rows in on.items() if name in nodes and name not in wanted)
    misplaced = sum(any(not meta.deleting(p) for p in rows) for rows in strangers)
    out: Object = {
        "currentNumberScheduled": scheduled,
        "numberMisscheduled": misplaced,
        "desiredNumberScheduled": len(wanted),
        "numberReady": ready,
        "observedGeneration": owner["metadata"].get("generation", 0),
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
        "numberUnavailable": len(wanted) - available,
    }
    always = {"currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"}
    out = {k: v for k, v in out.items() if v or k in always}
    old = owner.get("status") or {}
    return {**out, **{k: old[k] for k in ("collisionCount", "conditions") if k in old}}
