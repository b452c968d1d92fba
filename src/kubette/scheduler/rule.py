"""The slot of a scheduling rule: it may refuse nodes, and it may prefer some. One rule a file in ``plugins/``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from kubette.scheduler.model import Cluster, NodeState, Pod

BEST = 100.0  # scores lie between 0 and this

#: What happens in a cluster that may give a waiting pod its node: a node comes or changes, a pod leaves one, a pod
#: is placed (or changes its labels), a namespace or a claim changes.
Change = Literal["node", "left", "placed", "namespace", "claim"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node will not do, in upstream's words. ``final``: no pod's leaving would change it."""

    reasons: tuple[str, ...]
    final: bool = False


class Hopeless(Exception):
    """Raised by ``prepare``: no node will do, whichever; the message says why."""


def no(reason: str, *, final: bool = False) -> Refusal:
    return Refusal((reason,), final)


class Rule:
    """``prepare`` looks at pod and cluster once a cycle; what it returns is handed to the others.

    None from ``prepare`` means that the rule has nothing to say about this pod."""

    name: ClassVar[str]
    weight: ClassVar[float] = 0.0  # of its score; 0: it only refuses
    helped_by: ClassVar[frozenset[Change]] = frozenset(("node",))  # after what a refused pod is worth another look

    def prepare(self, pod: Pod, cluster: Cluster) -> Any:
        return True

    def copy(self, state: Any) -> Any:
        """A state that ``moved`` may change. A rule whose state is about other pods overrides both."""
        return state

    def moved(self, state: Any, pod: Pod, other: Pod, node: NodeState, sign: int) -> None:
        """Imagine that ``other`` comes to the node (1) or leaves it (-1): update the state for ``pod``."""

    def refuses(self, state: Any, pod: Pod, node: NodeState) -> Refusal | None:
        return None

    def score(self, state: Any, pod: Pod, node: NodeState) -> float:
        return 0.0

    def normalise(self, scores: Sequence[float]) -> list[float]:
        """From raw scores of all candidates to 0…100."""
        return list(scores)


def fewer_is_better(scores: Sequence[float]) -> list[float]:
    most = max(scores, default=0.0)
    return [BEST * (most - s) / most if most else BEST for s in scores]


def more_is_better(scores: Sequence[float]) -> list[float]:
    most = max(scores, default=0.0)
    return [BEST * s / most if most else 0.0 for s in scores]
