"""When a node runs short, for how long it says so, and which pods it then refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubette.agent import node, pressure
from kubette.agent.admission import refusal_under_pressure
from kubette.agent.pressure import Observation

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("signal", "available", "capacity", "conditions"),
    [
        ("memory.available", 100 * MIB, 8 * GIB, set()),
        ("memory.available", 99 * MIB, 8 * GIB, {"MemoryPressure"}),
        ("nodefs.available", 1 * GIB, 10 * GIB, set()),
        ("nodefs.available", 1 * GIB - 1, 10 * GIB, {"DiskPressure"}),
        ("nodefs.available", 2 * GIB, 1000 * GIB, set()),  # a tenth would be 100 GiB
        ("nodefs.available", 2 * GIB - 1, 1000 * GIB, {"DiskPressure"}),
        ("nodefs.inodesFree", 49, 1000, {"DiskPressure"}),
        ("nodefs.inodesFree", 0, 0, set()),  # a filesystem that counts no inodes
        ("pid.available", 100, 32768, {"PIDPressure"}),
        ("pid.available", 1000, 32768, set()),
    ],
)
def test_thresholds(signal: str, available: int, capacity: int, conditions: set[str]) -> None:
    assert pressure.short({signal: Observation(available, capacity)}, pressure.THRESHOLDS) == conditions


def test_a_condition_outlasts_what_caused_it() -> None:
    held: dict[str, float] = {}
    seen = []
    for now, met in ((0, {"DiskPressure"}), (100, {"DiskPressure"}), (399, set()), (400, set())):
        held = pressure.last_met(held, met, now, 300)
        seen.append(set(held))
    assert seen == [{"DiskPressure"}] * 3 + [set()]


def test_the_machine_is_read(tmp_path: Path) -> None:
    seen = pressure.observe(tmp_path)
    assert seen.keys() == pressure.SIGNALS.keys()
    assert all(0 <= o.available <= o.capacity and o.capacity > 0 for o in seen.values())
    assert pressure.observe(tmp_path / "missing", tmp_path) == {}


def test_conditions_of_the_node_and_their_times() -> None:
    first = [{**c, "lastTransitionTime": "2020-01-01T00:00:00Z"} for c in node.conditions([], "")]
    pressed = node.conditions(first, "", ["DiskPressure"])
    shown = {c["type"]: (c["status"], c["reason"], c["lastTransitionTime"][:4] == "2020") for c in pressed}
    assert shown == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", True),
        "DiskPressure": ("True", "KubeletHasDiskPressure", False),
        "PIDPressure": ("False", "KubeletHasSufficientPID", True),
        "Ready": ("True", "KubeletReady", True),
    }


BEST_EFFORT: dict[str, Any] = {"containers": [{"name": "c"}]}
BURSTABLE: dict[str, Any] = {"containers": [{"name": "c", "resources": {"requests": {"memory": "1Mi"}}}]}
TOLERANT = {**BEST_EFFORT, "tolerations": [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}]}
CRITICAL = {**BEST_EFFORT, "priority": 2_000_000_000}
MEMORY, DISK = ("MemoryPressure",), ("DiskPressure",)


@pytest.mark.parametrize(
    ("spec", "conditions", "refused"),
    [
        (BEST_EFFORT, (), False),
        (BEST_EFFORT, MEMORY, True),
        (BURSTABLE, MEMORY, False),
        (TOLERANT, MEMORY, False),
        (BURSTABLE, DISK, True),
        (TOLERANT, (*MEMORY, *DISK), True),
        (CRITICAL, (*MEMORY, *DISK), False),
    ],
)
def test_which_pods_are_refused(spec: dict[str, Any], conditions: tuple[str, ...], refused: bool) -> None:
    words = f"The node had condition: [{' '.join(sorted(conditions))}]. "
    assert refusal_under_pressure({"spec": spec}, conditions) == (("Evicted", words) if refused else None)
