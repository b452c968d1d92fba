"""All 17 steps of the walkthrough, with the machine's own kubectl and with Debian's 1.20."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from kubette.testing.local import LocalCluster
from kubette.testing.story import Story
from kubette.testing.walkthrough import STEPS, Step, reset

REPOSITORY = Path(__file__).resolve().parents[2]


class Telling:
    """Steps build on one another: before a step, those that come before it."""

    def __init__(self, story: Story) -> None:
        self._story, self._told = story, 0
        reset(story)

    def upto(self, step: Step) -> None:
        while self._told < step.number:
            self._told += 1
            STEPS[self._told - 1].tell(self._story)


@pytest.fixture(scope="session")
def telling(two_nodes: LocalCluster, each_kubectl: str) -> Telling:
    return Telling(dataclasses.replace(two_nodes.story(REPOSITORY), kubectl_path=each_kubectl))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.number:02}")
def test_step(telling: Telling, step: Step) -> None:
    telling.upto(step)
