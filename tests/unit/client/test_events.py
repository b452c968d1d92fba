"""Which events are sent, counted, combined and dropped."""

from __future__ import annotations

from typing import Any

from kubette.api.kinds import Kind
from kubette.client.events import Correlator, Recorder

Obj = dict[str, Any]


def event(message: str, name: str = "e", about: str = "kubia") -> Obj:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": about, "namespace": "default", "uid": "u"},
        "source": {"component": "test"},
        "type": "Normal",
        "reason": "Pulled",
        "message": message,
        "count": 1,
    }


def test_a_repeated_event_raises_the_count_of_the_first() -> None:
    correlator = Correlator(lambda: 0.0)
    assert correlator.decide(event("m", "first")) == ("create", event("m", "first"))
    verb, again = correlator.decide(event("m", "second")) or ("", {})
    assert (verb, again["metadata"]["name"], again["count"]) == ("patch", "first", 2)


def test_many_that_differ_only_in_the_message_are_combined() -> None:
    correlator = Correlator(lambda: 0.0)
    for i in range(9):
        assert (correlator.decide(event(f"m{i}")) or ("",))[0] == "create"
    _, tenth = correlator.decide(event("m9")) or ("", {})
    assert tenth["message"] == "(combined from similar events): m9"
    verb, eleventh = correlator.decide(event("m10")) or ("", {})
    assert (verb, eleventh["count"]) == ("patch", 2)


def test_one_object_cannot_flood_and_others_are_not_held_up() -> None:
    time = [0.0]
    correlator = Correlator(lambda: time[0])
    assert sum(correlator.decide(event("m")) is not None for _ in range(100)) == 25
    assert correlator.decide(event("m", about="other")) is not None
    time[0] += 301
    assert correlator.decide(event("m")) is not None


async def test_a_recorder_writes_what_describe_reads() -> None:
    class Api:
        def __init__(self) -> None:
            self.created: list[Obj] = []

        async def create(self, kind: Kind, obj: Obj, namespace: str | None = None) -> Obj:
            self.created.append(obj)
            return obj

        async def patch(self, kind: Kind, name: str, patch: Any, namespace: str | None = None) -> Obj:
            raise AssertionError("nothing was repeated")

    api = Api()
    recorder = Recorder(api, "kubelet", "node-1")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "x", "uid": "u"}}
    recorder.event(pod, "Normal", "Started", "Container started", field_path="spec.containers{web}")
    await recorder.flush()
    await recorder.close()
    (written,) = api.created
    assert written["metadata"]["namespace"] == "x"
    assert written["metadata"]["name"].startswith("p.")
    assert written["involvedObject"] == {
        "kind": "Pod",
        "apiVersion": "v1",
        "name": "p",
        "namespace": "x",
        "uid": "u",
        "fieldPath": "spec.containers{web}",
    }
    assert written["source"] == {"component": "kubelet", "host": "node-1"}
