"""Completion indexes of a Job, as its status writes them: ``1,3-5``. Pure.

Source: the documentation of ``status.completedIndexes``, and of the label that tells a pod its index.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubette.api import meta
from kubette.api.meta import Object

INDEX = "batch.kubernetes.io/job-completion-index"  # annotation and label


def index_of(pod: Object) -> int | None:
    """Which part of the work the pod does; None if nothing (sensible) is said."""
    text = meta.annotations(pod).get(INDEX, "")
    return int(text) if text.isdecimal() else None


def parse(text: str, completions: int) -> set[int]:
    """``1,3-5`` → {1, 3, 4, 5}; what is not below ``completions`` does not count."""
    out: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        out.update(range(int(first), min(int(last or first), completions - 1) + 1))
    return out


def write(indexes: Iterable[int]) -> str:
    """{1, 3, 4, 5} → ``1,3-5``."""
    spans: list[list[int]] = []
    for index in sorted(indexes):
        if spans and spans[-1][1] == index - 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return ",".join(str(a) if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in spans)
