"""What ``kubectl get`` shows: one story a kind, told by the cells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kubette.api.columns import table
from kubette.api.columns_text import human
from kubette.api.kinds import Kind, all_kinds, resource

NOW = datetime(2026, 1, 10, 12, 0, 0, tzinfo=UTC)


def ago(**delta: float) -> str:
    return (NOW - timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(kind: str, obj: dict[str, Any], *, wide: bool = False) -> dict[str, Any]:
    obj.setdefault("metadata", {})
    obj["metadata"] = {"name": "x", "creationTimestamp": ago(minutes=5), **obj["metadata"]}
    out = table(resource(kind), [obj], wide, now=NOW)
    names = [c["name"] for c in out["columnDefinitions"]]
    assert len(names) == len(out["rows"][0]["cells"])
    return dict(zip(names, out["rows"][0]["cells"], strict=True))


def container(name: str = "c", *, ready: bool = False, restarts: int = 0, **states: Any) -> dict[str, Any]:
    last = states.pop("last", {})
    out = {"name": name, "ready": ready, "restartCount": restarts, "state": states, "lastState": last}
    return out | ({"started": True} if "running" in states else {})


def pod(*statuses: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    specs = [{"name": s["name"]} for s in init]
    for s in specs:
        if s["name"].startswith("sidecar"):
            s["restartPolicy"] = "Always"
    status = {"phase": "Pending", "containerStatuses": list(statuses), "initContainerStatuses": list(init)}
    return {
        "spec": {"containers": [{"name": s["name"]} for s in statuses], "initContainers": specs},
        "status": status | more,
    }


RUNS: dict[str, Any] = {"running": {"startedAt": ago(minutes=1)}}
DONE: dict[str, Any] = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": ago(minutes=3)}}
CRASHED: dict[str, Any] = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": ago(minutes=3)}}
READY = [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]
STARTING = container(waiting={"reason": "PodInitializing"})

PODS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "running": (pod(container(ready=True, **RUNS), phase="Running"), "1/1", "Running", "0"),
    "no status yet": (pod(container()), "0/1", "Pending", "0"),
    "pulling fails": (pod(container(waiting={"reason": "ImagePullBackOff"})), "0/1", "ImagePullBackOff", "0"),
    "crash loop": (
        pod(container(restarts=4, waiting={"reason": "CrashLoopBackOff"}, last=CRASHED), phase="Running"),
        "0/1", "CrashLoopBackOff", "4 (3m ago)",
    ),
    "restarted": (pod(container(ready=True, restarts=1, last=CRASHED, **RUNS)), "1/1", "Pending", "1 (3m ago)"),
    "done": (pod(container(**DONE), phase="Succeeded"), "0/1", "Completed", "0"),
    "killed": (pod(container(terminated={"exitCode": 137, "signal": 9})), "0/1", "Signal:9", "0"),
    "one of two done": (pod(container(**DONE), container("d", ready=True, **RUNS), conditions=READY),
                        "1/2", "Running", "0"),
    "first init runs": (pod(STARTING, init=(container("i", **RUNS), container("j"))), "0/1", "Init:0/2", "0"),
    "second init fails": (
        pod(STARTING, init=(container("i", **DONE), container("j", restarts=2, **CRASHED))), "0/1", "Init:Error", "2",
    ),
    "init crash loop": (
        pod(STARTING, init=(container("i", restarts=3, last=CRASHED, waiting={"reason": "CrashLoopBackOff"}),)),
        "0/1", "Init:CrashLoopBackOff", "3 (3m ago)",
    ),
    "sidecar": (
        pod(container(ready=True, **RUNS), init=(container("sidecar", ready=True, **RUNS),), phase="Running"),
        "2/2", "Running", "0",
    ),
    "evicted": (pod(phase="Failed", reason="Evicted"), "0/0", "Evicted", "0"),
    "gated": (
        pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
        "0/0", "SchedulingGated", "0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PODS.values(), ids=PODS.keys())
def test_pods(case: tuple[dict[str, Any], str, str, str]) -> None:
    obj, ready, status, restarts = case
    assert shown("pods", obj) == {"Name": "x", "Ready": ready, "Status": status, "Restarts": restarts, "Age": "5m"}


def test_pods_being_deleted() -> None:
    obj = pod(container(ready=True, **RUNS), phase="Running") | {"metadata": {"deletionTimestamp": ago(seconds=1)}}
    assert shown("pods", obj)["Status"] == "Terminating"
    obj["status"]["phase"] = "Succeeded"
    assert shown("pods", obj)["Status"] == "Succeeded"
    obj["status"]["reason"] = "NodeLost"
    assert shown("pods", obj)["Status"] == "Unknown"


def test_wide_pods() -> None:
    obj = pod(container(ready=True, **RUNS), podIPs=[{"ip": "10.42.0.2"}], conditions=READY)
    obj["spec"] |= {"nodeName": "node-1", "readinessGates": [{"conditionType": "Ready"}, {"conditionType": "no"}]}
    wide = shown("pods", obj, wide=True)
    assert list(wide.items())[5:] == [
        ("IP", "10.42.0.2"), ("Node", "node-1"), ("Nominated Node", "<none>"), ("Readiness Gates", "1/2"),
    ]  # fmt: skip


def test_services() -> None:
    spec: dict[str, Any] = {
        "type": "LoadBalancer", "clusterIP": "10.43.0.7", "clusterIPs": ["10.43.0.7"], "selector": {"b": "2", "a": "1"},
        "ports": [{"port": 80, "nodePort": 30123, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
    }  # fmt: skip
    assert shown("services", {"spec": spec}, wide=True) == {
        "Name": "x", "Type": "LoadBalancer", "Cluster-IP": "10.43.0.7", "External-IP": "<pending>",
        "Port(s)": "80:30123/TCP,53/UDP", "Age": "5m", "Selector": "a=1,b=2",
    }  # fmt: skip
    status = {"loadBalancer": {"ingress": [{"ip": "172.29.0.200"}, {"hostname": "lb"}]}}
    assert shown("services", {"spec": spec, "status": status})["External-IP"] == "172.29.0.200,lb"
    headless = shown("services", {"spec": {"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]}})
    assert (headless["Cluster-IP"], headless["External-IP"], headless["Port(s)"]) == ("None", "<none>", "<none>")
    named = shown("services", {"spec": {"type": "ExternalName", "externalName": "a.example"}})
    assert (named["Cluster-IP"], named["External-IP"]) == ("<none>", "a.example")


def test_endpoints_are_folded() -> None:
    subset = {"addresses": [{"ip": f"10.42.0.{i}"} for i in (1, 2, 3)], "ports": [{"port": 8080}, {"port": 8443}]}
    assert shown("endpoints", {"subsets": [subset]})["Endpoints"] == (
        "10.42.0.1:8080,10.42.0.2:8080,10.42.0.3:8080 + 3 more..."
    )
    assert shown("endpoints", {})["Endpoints"] == "<none>"
    six = {"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 80}]}
    assert shown("endpoints", {"subsets": [six]})["Endpoints"] == "[fd00::1]:80"
    slice_ = {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.42.0.1"]}]}
    assert list(shown("endpointslices.discovery.k8s.io", slice_).values())[1:4] == ["IPv4", "80", "10.42.0.1"]
    assert shown("endpointslices.discovery.k8s.io", {})["Endpoints"] == "<unset>"


def test_workloads_and_nodes() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b"}]}}
    rc = {"spec": {"replicas": 3, "selector": {"app": "kubia"}, "template": template}, "status": {"replicas": 2}}
    assert list(shown("replicationcontrollers", rc, wide=True).values()) == [
        "x", 3, 2, 0, "5m", "a,b", "a:1,b", "app=kubia",
    ]  # fmt: skip
    selector = {"matchLabels": {"b": "1"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}
    deployment = {"spec": {"replicas": 0, "selector": selector, "template": template}, "status": {"readyReplicas": 1}}
    assert list(shown("deployments.apps", deployment, wide=True).values()) == [
        "x", "1/0", 0, 0, "5m", "a,b", "a:1,b", "a in (x,y),b=1",
    ]  # fmt: skip
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "edge"}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "Unknown"}], "nodeInfo": {"kubeletVersion": "v1.36.0"}},
    }
    assert list(shown("nodes", node).values()) == [
        "x", "NotReady,SchedulingDisabled", "control-plane,edge", "5m", "v1.36.0",
    ]  # fmt: skip
    job = {"spec": {"completions": 2}, "status": {"succeeded": 1, "startTime": ago(seconds=90)}}
    assert list(shown("jobs.batch", job).values()) == ["x", "Running", "1/2", "90s", "5m"]


def test_events_of_both_groups() -> None:
    core = {
        "lastTimestamp": ago(seconds=30), "firstTimestamp": ago(minutes=4), "count": 3, "type": "Warning",
        "reason": "BackOff", "message": " back-off\n", "involvedObject": {"kind": "Pod", "name": "p"},
        "source": {"component": "kubelet", "host": "node-1"},
    }  # fmt: skip
    other = {
        "deprecatedLastTimestamp": ago(seconds=30), "deprecatedFirstTimestamp": ago(minutes=4), "deprecatedCount": 3,
        "type": "Warning", "reason": "BackOff", "note": "back-off", "regarding": {"kind": "Pod", "name": "p"},
        "deprecatedSource": {"component": "kubelet", "host": "node-1"},
    }  # fmt: skip
    assert list(shown("events", core).values()) == ["30s", "Warning", "BackOff", "pod/p", "back-off"]
    assert shown("events", core, wide=True) == shown("events.events.k8s.io", other, wide=True)
    assert shown("events", core, wide=True)["Source"] == "kubelet, node-1"


def test_rows_carry_what_was_asked_for() -> None:
    obj = {"kind": "Pod", "metadata": {"name": "x"}, "status": {"phase": "Failed"}}
    assert "object" not in table(resource("pods"), [obj])["rows"][0]
    row = table(resource("pods"), [obj], include="Metadata")["rows"][0]
    assert row["object"]["kind"] == "PartialObjectMetadata" and row["object"]["metadata"] == {"name": "x"}
    assert row["conditions"][0]["reason"] == "Failed"
    assert table(resource("pods"), [obj], include="Object")["rows"][0]["object"] is obj


def test_kinds_without_columns_of_their_own() -> None:
    assert shown("roles.rbac.authorization.k8s.io", {}) == {"Name": "x", "Created At": ago(minutes=5)}
    custom = Kind("example.com", "v1", "Thing", "things", "thing", True, ("get",))
    out = table(custom, [{"metadata": {"name": "t", "creationTimestamp": ago(hours=3)}}], now=NOW)
    assert out["rows"][0]["cells"] == ["t", "3h"]


@pytest.mark.parametrize("wide", [True, False])
def test_every_kind_prints_an_empty_object(wide: bool) -> None:
    for kind in all_kinds():
        out = table(kind, [{}, {"spec": {}, "status": {}, "metadata": {"name": "n"}}], wide)
        assert {len(r["cells"]) for r in out["rows"]} == {len(out["columnDefinitions"])}, kind.group_resource


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (330, "5m30s"), (600, "10m"),
        (10799, "179m"), (10800, "3h"), (11100, "3h5m"), (28800, "8h"), (172800, "2d"), (180000, "2d2h"),
        (691200, "8d"), (63072000, "2y"), (64800000, "2y20d"), (3e8, "9y"),
    ],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert human(seconds) == words
