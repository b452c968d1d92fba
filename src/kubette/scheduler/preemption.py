"""Which pods must go so that a more important one has a node. Pure.

A search works through the nodes in steps, so that whoever runs it can do other work in between, and ends when it has
candidates enough. Source:
https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/#preemption and upstream's
``defaultpreemption``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import dataclass

from kubette.scheduler.cycle import Choice, Imagined, listed, waiting
from kubette.scheduler.model import Budget, Cluster, NodeState, Pod
from kubette.scheduler.rule import Refusal, no

NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"
_LOWEST = 2**31  # makes every priority positive, so that a sum of them also counts the pods
_LEAST_CANDIDATES, _LEAST_PERCENT = 100, 10
_STEP = 64  # nodes looked at without a pause
_COSTLY = 8  # so many nodes count as one on which victims were chosen


@dataclass(frozen=True, slots=True)
class Preemption:
    """``node`` is free for the pod once the ``victims`` have gone; or there is none, and ``message`` says why."""

    node: str = ""
    victims: tuple[Pod, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """``violations``: victims beyond what their disruption budgets allow."""

    node: str
    victims: list[Pod]
    violations: int


def search(pod: Pod, choice: Choice, cluster: Cluster, start: int = 0) -> Generator[None, None, Preemption]:
    """``choice``: what was decided for the pod, which found no node in ``cluster``. Yields now and then; the cluster
    may change meanwhile. ``start``: where the look at the nodes begins."""
    if not pod.preempts:
        return Preemption(message="not eligible due to preemptionPolicy=Never.")
    if _under_way(pod, choice, cluster):
        return Preemption(message="not eligible due to a terminating pod on the nominated node.")
    why: Counter[str] = Counter()
    total = len(cluster.nodes)
    hopeful = []
    for name, node in cluster.nodes.items():
        refusal = choice.refusals.get(name)
        if refusal is None or refusal.final:
            why[NOT_HELPFUL] += 1
        else:
            hopeful.append(node)
    if start and hopeful:
        start %= len(hopeful)
        hopeful = hopeful[start:] + hopeful[:start]
    wanted = min(len(hopeful), max(_LEAST_CANDIDATES, len(hopeful) * _LEAST_PERCENT // 100))
    candidates: list[Candidate] = []
    work = 0
    for node in hopeful:
        found = _victims(pod, node, choice, cluster)
        work += 1 if found is _NOBODY else _COSTLY
        if isinstance(found, Refusal):
            why.update(found.reasons)
        else:
            candidates.append(found)
            if len(candidates) >= wanted and any(not c.violations for c in candidates):
                break
        if work >= _STEP:
            work = 0
            yield
    if candidates:
        best = _cheapest(candidates)
        return Preemption(best.node, tuple(best.victims))
    return Preemption(message=f"0/{total} nodes are available: {listed(why)}.")


def preempt(pod: Pod, choice: Choice, cluster: Cluster) -> Preemption:
    """The whole search at once."""
    steps = search(pod, choice, cluster)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Preemption = done.value
            return result


_NOBODY = no(_NO_VICTIMS)


def _under_way(pod: Pod, choice: Choice, cluster: Cluster) -> bool:
    """Pods are leaving the node that the pod is nominated for, to make room for it: wait for them."""
    node, refusal = cluster.nodes.get(pod.nominated), choice.refusals.get(pod.nominated)
    if node is None or (refusal is not None and refusal.final):
        return False
    return any(p.preempted and p.priority < pod.priority for p in node.pods.values())


def _victims(pod: Pod, node: NodeState, choice: Choice, cluster: Cluster) -> Candidate | Refusal:
    """Simulate evicting every lower-priority pod, then keep those that still fit: first those whose disruption budget
    would be violated, each time the most important first. Pods that wait for room on the node keep theirs."""
    priority = pod.priority
    lower = [p for p in node.pods.values() if p.priority < priority]
    if not lower:
        return _NOBODY
    imagined = Imagined(pod, node, choice.prepared)
    for other in lower:
        imagined.remove(other)
    for other in waiting(pod, node, cluster):
        imagined.add(other)
    if (refusal := imagined.refusal()) is not None:
        return refusal
    lower.sort(key=lambda p: (-p.priority, p.started))
    violating = _violating(lower, cluster.budgets)
    victims, violations = [], 0
    for other in sorted(lower, key=lambda p: p.uid not in violating) if violating else lower:
        imagined.add(other)
        if imagined.refusal() is not None:
            imagined.remove(other)
            victims.append(other)
            violations += other.uid in violating
    if violating:
        victims.sort(key=lambda p: (-p.priority, p.started))
    return Candidate(node.node.name, victims, violations)


def _violating(pods: Sequence[Pod], budgets: Collection[Budget]) -> set[str]:
    """The uids of those pods that go beyond what a budget allows, if all go in this order."""
    if not budgets:
        return set()
    left = [b.allowed for b in budgets]
    out = set()
    for pod in pods:
        for i, budget in enumerate(budgets):
            if budget.namespace != pod.namespace or pod.name in budget.disrupted or not pod.labels:
                continue
            if budget.selector.everything or not budget.selector.matches(pod.labels):
                continue
            left[i] -= 1
            if left[i] < 0:
                out.add(pod.uid)
    return out


def _cheapest(candidates: Iterable[Candidate]) -> Candidate:
    """The fewest budgets violated; then where the most important victim is the least important, then all together,
    then where the most important victims are the youngest."""

    def cost(candidate: Candidate) -> tuple[int, int, int]:
        priorities = [p.priority for p in candidate.victims]
        return candidate.violations, max(priorities, default=-_LOWEST), sum(p + _LOWEST for p in priorities)

    def started(candidate: Candidate) -> str:
        highest = cost(candidate)[1]
        return min((p.started for p in candidate.victims if p.priority == highest), default="")

    return min(sorted(candidates, key=started, reverse=True), key=cost)
