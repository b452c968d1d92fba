"""A Trace for people: numbered steps, the ends, and the verdict in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubette.trace.report import Landing, Trace

_REFUSALS = {
    "reset": "refused at once (TCP reset)",
    "unreachable": "refused at once (unreachable)",
    "drop": "dropped in silence",
    "unavailable": "answered with 503 by the ingress controller",
}


def lines(trace: Trace) -> Iterator[str]:
    """What ``kubette trace`` prints."""
    yield f"{trace.source} → {trace.target}"
    yield ""
    width = max((len(step.where) for step in trace.steps), default=0)
    for number, step in enumerate(trace.steps, 1):
        yield f"{number:3}  {step.where:<{width}}  {step.what}"
    for line in _table([_row(end) for end in trace.landings]):
        yield f"       {line}"
    if trace.steps or trace.landings:
        yield ""
    yield verdict(trace)
    for why in trace.reasons:
        yield f"  because {why}"


def verdict(trace: Trace) -> str:
    """One line."""
    ends = trace.landings
    if not ends:
        return "it gets nowhere"
    if trace.arrives:
        pods = len({end.pod for end in ends if end.pod})
        if pods > 1:
            chance = "and each client the same one again" if trace.sticky else "each with the same chance"
            return f"it reaches one of {pods} pods, {chance}"
        if pods:
            return f"it reaches pod {ends[0].pod}"
        return f"it reaches {ends[0].node}" if ends[0].fate == "node" else "it leaves the cluster"
    if all(end.fate == ends[0].fate for end in ends):
        return f"it is {_REFUSALS[ends[0].fate]}"
    return "some of it arrives, and some does not"


def document(trace: Trace) -> dict[str, Any]:
    """What ``-o json`` prints."""
    return {
        "from": trace.source,
        "to": trace.target,
        "arrives": trace.arrives,
        "verdict": verdict(trace),
        "steps": [{"where": s.where, "what": s.what} for s in trace.steps],
        "ends": [
            {
                "fate": end.fate, "address": end.address, "port": end.port, "node": end.node, "pod": end.pod,
                "source": end.source, "note": end.note,
            }
            for end in trace.landings
        ],
        "reasons": trace.reasons,
    }  # fmt: skip


def _row(end: Landing) -> tuple[str, ...]:
    where = f"[{end.address}]" if ":" in end.address else end.address
    if end.fate in _REFUSALS:
        return (f"{where}:{end.port}", _REFUSALS[end.fate], end.note)
    return (f"{where}:{end.port}", f"pod {end.pod}" if end.pod else end.fate, end.note)


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(3)] if rows else []
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
