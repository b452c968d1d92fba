"""One pod's decision: which node, or why none. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kubette.scheduler.model import Cluster, NodeState, Pod
from kubette.scheduler.rule import Change, Hopeless, Refusal, Rule


@dataclass(frozen=True, slots=True)
class Choice:
    """``node``: the chosen one. Or None, and ``refusals`` by node name, ``hopeless`` if one reason holds for all;
    ``helped_by``: what may change that."""

    node: str | None
    refusals: dict[str, Refusal] = field(default_factory=dict)
    hopeless: str = ""
    helped_by: frozenset[Change] = frozenset(("node",))

    def message(self, preemption: str) -> str:
        """Upstream's FitError, as ``kubectl describe pod`` shows it. ``preemption``: why nobody is to make room;
        empty when somebody is."""
        if not self.refusals:
            return "no nodes available to schedule pods"
        why = self.hopeless or listed(Counter(reason for r in self.refusals.values() for reason in r.reasons))
        out = f"0/{len(self.refusals)} nodes are available: {why}."
        return f"{out} no new claims to deallocate, preemption: {preemption}" if preemption else out


def listed(why: Counter[str]) -> str:
    """``1 Too many pods, 2 Insufficient cpu``: in the order of the text."""
    return ", ".join(sorted(f"{number} {reason}" for reason, number in why.items()))


def choose(pod: Pod, cluster: Cluster, rules: Sequence[Rule]) -> Choice:
    """The best of the nodes that no rule refuses; of equals the one with the fewest pods, then by name.
    A node that was made free for the pod comes before all others."""
    nodes = cluster.nodes
    try:
        prepared = [(rule, state) for rule in rules if (state := rule.prepare(pod, cluster)) is not None]
    except Hopeless as why:
        helped = frozenset[Change]().union(*(rule.helped_by for rule in rules))
        return Choice(None, dict.fromkeys(nodes, Refusal((), final=True)), str(why), helped)
    refusals: dict[str, Refusal] = {}
    helped_by: set[Change] = {"node"}
    fitting: list[NodeState] = []
    for name, node in nodes.items():
        for rule, state in prepared:
            if (refusal := rule.refuses(state, pod, node)) is not None:
                refusals[name] = refusal
                helped_by |= rule.helped_by
                break
        else:
            fitting.append(node)
    if not fitting:
        return Choice(None, refusals, helped_by=frozenset(helped_by))
    if pod.nominated and pod.nominated in nodes and pod.nominated not in refusals:
        return Choice(pod.nominated)
    if len(fitting) == 1:
        return Choice(fitting[0].node.name)
    totals = [0.0] * len(fitting)
    for rule, state in prepared:
        if rule.weight:
            scores = rule.normalise([rule.score(state, pod, node) for node in fitting])
            totals = [t + rule.weight * s for t, s in zip(totals, scores, strict=True)]
    best = min(range(len(fitting)), key=lambda i: (-round(totals[i], 3), len(fitting[i].pods), fitting[i].node.name))
    return Choice(fitting[best].node.name)


def refused(pod: Pod, node: NodeState, cluster: Cluster, rules: Sequence[Rule]) -> Refusal | None:
    """Why this one node, as it is in ``cluster``, will not do; None if it will."""
    for rule in rules:
        state = rule.prepare(pod, cluster)
        if state is not None and (refusal := rule.refuses(state, pod, node)) is not None:
            return refusal
    return None
