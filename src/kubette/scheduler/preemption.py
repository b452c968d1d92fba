"""Which pods must go so that a more important one has a node. Pure.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/#preemption and upstream's
``defaultpreemption``. PodDisruptionBudgets are not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kubette.scheduler.cycle import Choice, listed, refused
from kubette.scheduler.model import Cluster, NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule, no

NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NOBODY = "No preemption victims found for incoming pod"
_LOWEST = 2**31  # makes every priority positive, so that a sum of them also counts the pods


@dataclass(frozen=True, slots=True)
class Preemption:
    """``node`` is free for the pod once the ``victims`` have gone; or there is none, and ``message`` says why."""

    node: str = ""
    victims: tuple[Pod, ...] = ()
    message: str = ""


def preempt(pod: Pod, choice: Choice, cluster: Cluster, rules: Sequence[Rule]) -> Preemption:
    """``choice``: what was decided for the pod, who found no node in ``cluster``."""
    if not pod.preempts:
        return Preemption(message="not eligible due to preemptionPolicy=Never.")
    if _under_way(pod, choice, cluster):
        return Preemption(message="not eligible due to a terminating pod on the nominated node.")
    why: Counter[str] = Counter()
    candidates: list[tuple[str, list[Pod]]] = []
    for name, node in cluster.nodes.items():
        refusal = choice.refusals.get(name)
        if refusal is None or refusal.final:
            why[NOT_HELPFUL] += 1
            continue
        found = _victims(pod, node, cluster, rules)
        if isinstance(found, Refusal):
            why.update(found.reasons)
        else:
            candidates.append((name, found))
    if candidates:
        name, victims = _cheapest(candidates)
        return Preemption(name, tuple(victims))
    total = len(cluster.nodes)
    return Preemption(message=f"0/{total} nodes are available: {listed(why)}.")


def _under_way(pod: Pod, choice: Choice, cluster: Cluster) -> bool:
    """Somebody is leaving the node that was chosen for the pod before: wait for that."""
    node, refusal = cluster.nodes.get(pod.nominated), choice.refusals.get(pod.nominated)
    if node is None or (refusal is not None and refusal.final):
        return False
    return any(p.deleting and p.priority < pod.priority for p in node.pods.values())


def _victims(pod: Pod, node: NodeState, cluster: Cluster, rules: Sequence[Rule]) -> list[Pod] | Refusal:
    """All less important pods go, in thought; then, the most important first, whoever need not go stays."""
    lower = [p for p in node.pods.values() if p.priority < pod.priority]
    if not lower:
        return no(_NOBODY)
    left = node.copy()
    for other in lower:
        left.remove(other.uid)
    without = replace(cluster, nodes={**cluster.nodes, node.node.name: left})
    if (refusal := refused(pod, left, without, rules)) is not None:
        return refusal
    victims = []
    for other in sorted(lower, key=lambda p: (-p.priority, p.started)):
        left.add(other)
        if refused(pod, left, without, rules) is not None:
            left.remove(other.uid)
            victims.append(other)
    return victims


def _cheapest(candidates: Iterable[tuple[str, list[Pod]]]) -> tuple[str, list[Pod]]:
    """Where the most important victim is the least important, then all together, then the youngest."""

    def cost(candidate: tuple[str, list[Pod]]) -> tuple[int, int]:
        priorities = [p.priority for p in candidate[1]]
        return max(priorities, default=-_LOWEST), sum(p + _LOWEST for p in priorities)

    def youth(candidate: tuple[str, list[Pod]]) -> str:
        highest = cost(candidate)[0]
        return min((p.started for p in candidate[1] if p.priority == highest), default="")

    return min(sorted(candidates, key=youth, reverse=True), key=cost)
