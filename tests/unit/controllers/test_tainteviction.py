"""When a pod must leave a node with NoExecute taints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers.tainteviction import due, first_seen, taint_key

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TAINT = {"key": "k", "value": "v", "effect": "NoExecute"}


def ago(seconds: int) -> str:
    return meta.format_time(NOW - timedelta(seconds=seconds))


def pod(seconds: int | None, came: str = ago(3600)) -> Object:
    """A pod that came to its node at ``came`` and tolerates the taint for so long."""
    toleration: Object = {"key": "k", "operator": "Exists"}
    if seconds is not None:
        toleration["tolerationSeconds"] = seconds
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": came}
    return {"metadata": {}, "spec": {"tolerations": [toleration]}, "status": {"conditions": [scheduled]}}


def test_a_taint_without_a_time_counts_from_when_it_was_first_seen() -> None:
    since = first_seen([TAINT], {}, NOW - timedelta(seconds=9))
    since = first_seen([TAINT], since, NOW)  # the node changed, the taint did not
    assert due(pod(10), [TAINT], since, NOW) == 1
    assert due(pod(5), [TAINT], since, NOW) == -4
    assert due(pod(None), [TAINT], since, NOW) is None
    assert first_seen([], since, NOW) == {}, "taken away and put there again it is a new one"
    dated = {**TAINT, "timeAdded": ago(30)}
    assert due(pod(40), [dated], first_seen([dated], since, NOW), NOW) == 10


def test_a_pod_that_came_after_the_taint_has_its_whole_time() -> None:
    since = {taint_key(TAINT): NOW - timedelta(seconds=600)}
    assert due(pod(10, came=ago(3)), [TAINT], since, NOW) == 7


def test_a_pod_that_does_not_tolerate_a_taint_goes_at_once() -> None:
    other = {"key": "other", "effect": "NoExecute"}
    assert due(pod(10), [TAINT, other], first_seen([TAINT, other], {}, NOW), NOW) == 0
