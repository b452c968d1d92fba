"""Control groups of the real kernel: each that is made takes processes, however it came about."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kubette.runtime import cgroups

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes control groups")
ROOT = f"kubette-cg{os.getpid()}"


@pytest.fixture
def h() -> Iterator[cgroups.Hierarchies]:
    found = cgroups.hierarchies()
    yield found
    cgroups.kill(found, ROOT)
    cgroups.remove(found, ROOT)
    assert not [root for root in found.roots() if (root / ROOT).exists()]


def takes_a_process(h: cgroups.Hierarchies, path: str) -> None:
    process = subprocess.Popen(["sleep", "100"])
    try:
        cgroups.enter(h, path, process.pid)
        assert process.pid in cgroups.processes(h, path)
    finally:
        process.kill()
        process.wait()


def test_a_group_that_a_killed_agent_left_half_made(h: cgroups.Hierarchies) -> None:
    for root in h.roots():
        (root / ROOT / "n1").mkdir(parents=True)
    cgroups.create(h, f"{ROOT}/n1/pod/_conmon")
    takes_a_process(h, f"{ROOT}/n1/pod/_conmon")


def test_groups_that_threads_make_side_by_side(h: cgroups.Hierarchies) -> None:
    for round in range(20):
        paths = [f"{ROOT}/r{round}/n1/pod{i}" for i in range(4)]
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda path: cgroups.create(h, path), paths))
        for path in paths:
            takes_a_process(h, path)
