"""Pods that want to be near others, or far from them. The required terms refuse; the preferred ones score.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubette.api.meta import Object
from kubette.api.selectors import LabelSelector, Requirement, from_label_selector
from kubette.scheduler.model import Cluster, NodeState, Pod, repelling_terms
from kubette.scheduler.rule import BEST, Refusal, Rule, no

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_ANTI = "podAntiAffinity"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
Domain = tuple[str, str]  # topology key, value


@dataclass(slots=True)
class _Term:
    """One term. ``places``: how many of the pods that it is about are in each domain."""

    key: str
    about: Callable[[Pod], bool]
    places: Counter[Domain]
    weight: float = 0.0
    itself: bool = False  # the pod that has the term is one of those that it is about

    def moved(self, other: Pod, node: NodeState, sign: int) -> None:
        domain = node.node.labels.get(self.key)
        if domain is not None and self.about(other):
            self.places[self.key, domain] += sign

    def copy(self) -> _Term:
        return _Term(self.key, self.about, self.places.copy(), self.weight, self.itself)


@dataclass(slots=True)
class _State:
    near: list[_Term]
    far: list[_Term]
    repelled: Counter[Domain]  # by the required anti-affinity of pods that run there
    liked: list[_Term]
    scores: dict[Domain, float]
    cluster: Cluster


def _terms(pod: Pod, kind: str, when: str) -> Sequence[Object]:
    return (pod.affinity.get(kind) or {}).get(when) or ()


def _scope(term: Mapping[str, Any], owner: Pod, cluster: Cluster) -> tuple[frozenset[str], LabelSelector]:
    """The namespaces and labels of the pods that ``owner``'s term is about."""
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
    return names, LabelSelector((*selector.requirements, *extra), selector.nothing)


def _about(term: Mapping[str, Any], owner: Pod, cluster: Cluster) -> Callable[[Pod], bool]:
    names, selector = _scope(term, owner, cluster)
    return lambda other: other.namespace in names and selector.matches(other.labels)


def _prepared(term: Mapping[str, Any], owner: Pod, cluster: Cluster, weight: float = 0.0) -> _Term:
    key, (names, selector) = term["topologyKey"], _scope(term, owner, cluster)
    places = Counter[Domain]()
    for name, number in cluster.matching(names, selector):
        if (domain := cluster.nodes[name].node.labels.get(key)) is not None:
            places[key, domain] += number

    def about(other: Pod) -> bool:
        return other.namespace in names and selector.matches(other.labels)

    return _Term(key, about, places, weight, about(owner))


def _repelled(pod: Pod, cluster: Cluster) -> Counter[Domain]:
    out = Counter[Domain]()
    for group in cluster.repelling.values():
        for term in repelling_terms(group.sample):
            if not _about(term, group.sample, cluster)(pod):
                continue
            for name, number in group.nodes.items():
                if (domain := cluster.nodes[name].node.labels.get(term["topologyKey"])) is not None:
                    out[term["topologyKey"], domain] += number
    return out


class PodAffinity(Rule):
    name = "InterPodAffinity"
    weight = 2.0
    helped_by = frozenset(("node", "left", "placed", "namespace"))

    def prepare(self, pod: Pod, cluster: Cluster) -> Any:
        repelled = _repelled(pod, cluster) if cluster.repelling else Counter[Domain]()
        if not repelled and not (pod.affinity and (pod.affinity.get("podAffinity") or pod.affinity.get(_ANTI))):
            return None
        liked = [
            _prepared(row["podAffinityTerm"], pod, cluster, sign * row["weight"])
            for kind, sign in (("podAffinity", 1.0), (_ANTI, -1.0))
            for row in _terms(pod, kind, _PREFERRED)
        ]
        near = [_prepared(t, pod, cluster) for t in _terms(pod, "podAffinity", _REQUIRED)]
        far = [_prepared(t, pod, cluster) for t in _terms(pod, _ANTI, _REQUIRED)]
        scores: dict[Domain, float] = {}
        for term in liked:
            for domain in term.places:
                scores[domain] = scores.get(domain, 0.0) + term.weight
        return _State(near, far, repelled, liked, scores, cluster)

    def copy(self, state: _State) -> _State:
        near, far = [t.copy() for t in state.near], [t.copy() for t in state.far]
        return _State(near, far, state.repelled.copy(), state.liked, state.scores, state.cluster)

    def moved(self, state: _State, pod: Pod, other: Pod, node: NodeState, sign: int) -> None:
        for term in (*state.near, *state.far):
            term.moved(other, node, sign)
        for repelling in repelling_terms(other):
            domain = node.node.labels.get(repelling["topologyKey"])
            if domain is not None and _about(repelling, other, state.cluster)(pod):
                state.repelled[repelling["topologyKey"], domain] += sign

    def refuses(self, state: _State, pod: Pod, node: NodeState) -> Refusal | None:
        labels = node.node.labels
        for term in state.near:
            domain = labels.get(term.key)
            if domain is not None and term.places.get((term.key, domain), 0) > 0:
                continue
            first = (
                domain is not None and term.itself and not any(n > 0 for n in term.places.values())
            )  # the first of its kind may go anywhere
            if not first:
                return no("node(s) didn't match pod affinity rules", final=True)
        for term in state.far:
            domain = labels.get(term.key)
            if domain is not None and term.places.get((term.key, domain), 0) > 0:
                return no("node(s) didn't match pod anti-affinity rules")
        if state.repelled and any(state.repelled.get(pair, 0) > 0 for pair in labels.items()):
            return no("node(s) didn't satisfy existing pods anti-affinity rules")
        return None

    def score(self, state: _State, pod: Pod, node: NodeState) -> float:
        if not state.scores:
            return 0.0
        return sum(state.scores.get(pair, 0.0) for pair in node.node.labels.items())

    def normalise(self, scores: Sequence[float]) -> list[float]:
        low, high = min(scores, default=0.0), max(scores, default=0.0)
        return [BEST * (s - low) / (high - low) if high > low else 0.0 for s in scores]
