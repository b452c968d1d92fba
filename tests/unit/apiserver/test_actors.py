"""Nothing is silent: the table of actors, the controllers that run and README's list say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kubette.api.kinds import all_kinds, resource
from kubette.apiserver import actors
from kubette.controllers.manager import CONTROLLERS

README = Path(__file__).parents[3] / "README.md"
_COMPONENTS = {"apiserver", "scheduler", "agent", "proxy", "dns", "ingress"}
_SERVED = {kind.group_resource for kind in all_kinds() if actors.stored(kind)}


def test_the_table_names_served_kinds_and_what_runs() -> None:
    named = {actor for row in actors.ACTORS.values() for actor in row}
    assert named - _COMPONENTS == {controller.name for controller in CONTROLLERS}
    assert set(actors.ACTORS) <= _SERVED and actors.DATA <= _SERVED and not actors.DATA & set(actors.ACTORS)


def test_readme_lists_the_inert_kinds() -> None:
    bullet = re.search(r"- nothing acts yet on objects of (.+?)(?=\n- |\n\n)", README.read_text(), re.DOTALL)
    assert bullet, "README has the list"
    listed = re.findall(r"\b[A-Z]\w+", bullet[1].partition(":")[0])
    assert sorted(listed) == sorted({kind.kind for kind in all_kinds() if actors.inert(kind)})


@pytest.mark.parametrize(
    ("name", "count"), [("pods", 0), ("configmaps", 0), ("storageclasses.storage.k8s.io", 1),
                        ("networkpolicies.networking.k8s.io", 2), ("tokenreviews.authentication.k8s.io", 0)],
)  # fmt: skip
def test_a_warning_where_nothing_acts(name: str, count: int) -> None:
    found = list(actors.warnings(resource(name)))
    assert len(found) == count and found[:1] == [actors.WARNING][:count]
