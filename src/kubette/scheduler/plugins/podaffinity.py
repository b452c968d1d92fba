"""Pods that want to be near others, or far from them. The required terms refuse; the preferred ones score.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubette.api.selectors import LabelSelector, Requirement, from_label_selector
from kubette.scheduler.model import Cluster, NodeState, Pod
from kubette.scheduler.rule import BEST, Refusal, Rule, no

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
Domain = tuple[str, str]  # topology key, value


@dataclass(frozen=True, slots=True)
class _State:
    near: tuple[tuple[str, frozenset[Domain], bool], ...]  # key, where matching pods are, the pod itself matches
    far: frozenset[Domain]
    repelled: frozenset[Domain]  # by the anti-affinity of pods that run there
    liked: Mapping[Domain, float]


def _terms(pod: Pod, kind: str, when: str) -> Sequence[dict[str, Any]]:
    return (pod.affinity.get(kind) or {}).get(when) or ()


def _meant(term: Mapping[str, Any], owner: Pod, cluster: Cluster) -> Callable[[Pod], bool]:
    """Whether a pod is one of those that ``owner``'s term is about."""
    names = frozenset(term.get("namespaces") or ())
    if (chosen := term.get("namespaceSelector")) is not None:
        suits = from_label_selector(chosen)
        names |= {name for name, labels in cluster.namespaces.items() if suits.matches(labels)}
    elif not names:
        names = frozenset((owner.namespace,))
    selector = from_label_selector(term.get("labelSelector"))
    extra = [Requirement(k, "in", (owner.labels[k],)) for k in term.get("matchLabelKeys") or () if k in owner.labels]
    extra += [
        Requirement(k, "notin", (owner.labels[k],)) for k in term.get("mismatchLabelKeys") or () if k in owner.labels
    ]
    selector = LabelSelector((*selector.requirements, *extra), selector.nothing)
    return lambda other: other.namespace in names and selector.matches(other.labels)


def _places(term: Mapping[str, Any], owner: Pod, cluster: Cluster) -> Iterable[Domain]:
    key, meant = term["topologyKey"], _meant(term, owner, cluster)
    for node in cluster.nodes.values():
        domain = node.node.labels.get(key)
        if domain is not None and any(meant(p) for p in node.pods.values()):
            yield key, domain


class PodAffinity(Rule):
    name = "InterPodAffinity"
    weight = 2.0
    helped_by = frozenset(("node", "left", "placed", "namespace"))

    def prepare(self, pod: Pod, cluster: Cluster) -> Any:
        repelled = frozenset(
            (term["topologyKey"], node.node.labels[term["topologyKey"]])
            for node in cluster.nodes.values()
            for other in node.pods.values()
            if other.affinity
            for term in _terms(other, "podAntiAffinity", _REQUIRED)
            if term["topologyKey"] in node.node.labels and _meant(term, other, cluster)(pod)
        )
        if not repelled and not any(pod.affinity.get(k) for k in ("podAffinity", "podAntiAffinity")):
            return None
        liked: dict[Domain, float] = {}
        for kind, sign in (("podAffinity", 1.0), ("podAntiAffinity", -1.0)):
            for row in _terms(pod, kind, _PREFERRED):
                for domain in set(_places(row["podAffinityTerm"], pod, cluster)):
                    liked[domain] = liked.get(domain, 0.0) + sign * row["weight"]
        return _State(
            near=tuple(
                (t["topologyKey"], frozenset(_places(t, pod, cluster)), _meant(t, pod, cluster)(pod))
                for t in _terms(pod, "podAffinity", _REQUIRED)
            ),
            far=frozenset(d for t in _terms(pod, "podAntiAffinity", _REQUIRED) for d in _places(t, pod, cluster)),
            repelled=repelled,
            liked=liked,
        )

    def refuses(self, state: _State, pod: Pod, node: NodeState) -> Refusal | None:
        here = set(node.node.labels.items())
        for key, places, itself in state.near:
            first = not places and itself and key in node.node.labels  # the first of its kind may go anywhere
            if not first and not places & here:
                return no("node(s) didn't match pod affinity rules", final=True)
        if state.far & here:
            return no("node(s) didn't match pod anti-affinity rules")
        if state.repelled & here:
            return no("node(s) didn't satisfy existing pods anti-affinity rules")
        return None

    def score(self, state: _State, pod: Pod, node: NodeState) -> float:
        return sum(state.liked.get(pair, 0.0) for pair in node.node.labels.items())

    def normalise(self, scores: Sequence[float]) -> list[float]:
        low, high = min(scores, default=0.0), max(scores, default=0.0)
        return [BEST * (s - low) / (high - low) if high > low else 0.0 for s in scores]
