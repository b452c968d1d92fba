"""Which limit of local storage a pod breaks first, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from kubette.agent import eviction
from kubette.agent.eviction import PodUsage
from kubette.runtime.interface import UNMEASURABLE, Usage

MIB = 1 << 20


def container(name: str, limit: str | None = None) -> dict[str, Any]:
    return {"name": name, "resources": {"limits": {"ephemeral-storage": limit}} if limit else {}}


def pod(*containers: dict[str, Any], volumes: tuple[dict[str, Any], ...] = (), **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"containers": list(containers), "volumes": list(volumes), **spec}}


def volume(**source: str) -> dict[str, Any]:
    return {"name": "e", "emptyDir": source}


SUM = "Pod ephemeral local storage usage exceeds the total limit of containers {}. "
OWN = 'Container {} exceeded its local ephemeral storage limit "{}". '
EMPTY_DIR = 'Usage of EmptyDir volume "e" exceeds the limit "{}". '


@pytest.mark.parametrize(
    ("limits", "used", "files", "words"),
    [
        ({"a": "2Mi"}, {"a": 2}, 0, ""),
        ({"a": "2Mi"}, {"a": 3}, 0, SUM.format("2Mi")),
        ({"a": "2Mi"}, {"a": 1}, 2, SUM.format("2Mi")),
        ({"a": "2Mi", "b": "2Mi"}, {"a": 3, "b": 0}, 0, OWN.format("a", "2Mi")),
        ({"a": "2Mi", "b": "2Mi"}, {"a": 2, "b": 3}, 0, SUM.format("4Mi")),
        ({"a": "2M"}, {"a": 3}, 0, SUM.format("2M")),
        ({"a": "2000Ki"}, {"a": 3}, 0, SUM.format("2000Ki")),
        ({"a": "2Mi", "b": None}, {"a": 1, "b": 5}, 0, SUM.format("2Mi")),
        ({"a": None}, {"a": 1000}, 1000, ""),
    ],
)
def test_limits_of_containers(limits: dict[str, str | None], used: dict[str, int], files: int, words: str) -> None:
    it = pod(*(container(name, limit) for name, limit in limits.items()))
    usage = PodUsage({name: Usage(n * MIB) for name, n in used.items()}, files=Usage(files * MIB))
    assert eviction.over_limit(it, usage) == words


def test_limits_of_empty_dirs_come_first() -> None:
    it = pod(container("a", "1Mi"), volumes=(volume(sizeLimit="1024Ki"),))
    assert eviction.over_limit(it, PodUsage(volumes={"e": Usage(2 * MIB)}, files=Usage(2 * MIB))) == EMPTY_DIR.format(
        "1Mi"
    )
    assert eviction.over_limit(it, PodUsage(volumes={"e": UNMEASURABLE})) == EMPTY_DIR.format("1Mi")


def test_the_init_phase_may_need_more() -> None:
    it = pod(container("a", "1Mi"), initContainers=[container("i", "3Mi")])
    assert eviction.over_limit(it, PodUsage(files=Usage(2 * MIB))) == ""
    assert eviction.over_limit(it, PodUsage(files=Usage(4 * MIB))) == SUM.format("3Mi")


@pytest.mark.parametrize(
    ("it", "measured"),
    [
        (pod(container("a")), False),
        (pod(container("a", "0")), False),
        (pod(container("a", "1Mi")), True),
        (pod(container("a"), initContainers=[container("i", "1Mi")]), True),
        (pod(container("a"), volumes=(volume(),)), False),
        (pod(container("a"), volumes=(volume(sizeLimit="0"),)), False),
        (pod(container("a"), volumes=(volume(sizeLimit="1Mi", medium="Memory"),)), False),
        (pod(container("a"), volumes=(volume(sizeLimit="1Mi"),)), True),
        (pod(container("a", "1Mi"), priority=2_000_000_000), False),
    ],
)
def test_only_pods_with_limits_are_measured(it: dict[str, Any], measured: bool) -> None:
    assert eviction.has_limits(it) is measured
