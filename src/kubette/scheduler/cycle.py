"""One pod's decision: which node, or why none. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kubette.scheduler.model import Nodes, NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule


@dataclass(frozen=True, slots=True)
class Choice:
    """``node``: the chosen one, or None and ``refusals`` by node name."""

    node: str | None
    refusals: dict[str, Refusal] = field(default_factory=dict)

    def message(self) -> str:
        """Upstream's FitError, as ``kubectl describe pod`` shows it."""
        if not self.refusals:
            return "no nodes available to schedule pods"
        total = len(self.refusals)
        why = Counter(reason for r in self.refusals.values() for reason in r.reasons)
        listed = ", ".join(sorted(f"{number} {reason}" for reason, number in why.items()))
        final = sum(r.final for r in self.refusals.values())
        hopeless = {
            "No preemption victims found for incoming pod": total - final,
            "Preemption is not helpful for scheduling": final,
        }
        preemption = ", ".join(sorted(f"{n} {reason}" for reason, n in hopeless.items() if n))
        return (
            f"0/{total} nodes are available: {listed}. no new claims to deallocate, "
            f"preemption: 0/{total} nodes are available: {preemption}."
        )


def choose(pod: Pod, nodes: Nodes, rules: Sequence[Rule]) -> Choice:
    """The best of the nodes that no rule refuses; of equals the one with the fewest pods, then by name."""
    prepared = [(rule, state) for rule in rules if (state := rule.prepare(pod, nodes)) is not None]
    refusals: dict[str, Refusal] = {}
    fitting: list[NodeState] = []
    for name, node in nodes.items():
        refusal = next((r for rule, state in prepared if (r := rule.refuses(state, pod, node))), None)
        if refusal is None:
            fitting.append(node)
        else:
            refusals[name] = refusal
    if not fitting:
        return Choice(None, refusals)
    if len(fitting) == 1:
        return Choice(fitting[0].node.name)
    totals = [0.0] * len(fitting)
    for rule, state in prepared:
        if rule.weight:
            scores = rule.normalise([rule.score(state, pod, node) for node in fitting])
            totals = [t + rule.weight * s for t, s in zip(totals, scores, strict=True)]
    best = min(range(len(fitting)), key=lambda i: (-round(totals[i], 3), len(fitting[i].pods), fitting[i].node.name))
    return Choice(fitting[best].node.name)
