"""How a client reaches a pod, told from the objects; and why it does not, when it does not.

A cluster of two nodes: ``web-0`` on node-1 and ``web-1`` on node-2 stand behind the Service ``web``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from kubette.trace import Source, TraceError, World, explain, parse_source, parse_target
from kubette.trace.report import Trace
from kubette.trace.text import document, lines, verdict

Obj = dict[str, Any]
READY = [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]


def node(number: int) -> Obj:
    return {
        "metadata": {"name": f"node-{number}"},
        "spec": {"podCIDRs": [f"10.42.{number}.0/24"]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": f"172.29.0.1{number}"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod(name: str, ip: str, on: str, conditions: list[Obj] | None = None, **spec: Any) -> Obj:
    return {
        "metadata": {"namespace": "default", "name": name, "labels": {"app": "web"}},
        "spec": {"nodeName": on, "containers": [{"name": "main", "ports": [{"containerPort": 8080}]}], **spec},
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": ip}],
            "conditions": READY if conditions is None else conditions,
        },
    }


def service(name: str = "web", ip: str = "10.43.0.7", port: Obj | None = None, **spec: Any) -> Obj:
    rows = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP", **(port or {})}]
    body = {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "selector": {"app": "web"}, "ports": rows, **spec}
    return {"metadata": {"namespace": "default", "name": name}, "spec": body, "status": {}}


def slice_of(name: str, *pods: Obj, headless: bool = False) -> Obj:
    labels = {"kubernetes.io/service-name": name}
    if headless:
        labels["service.kubernetes.io/headless"] = ""
    return {
        "metadata": {"namespace": "default", "name": f"{name}-x", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [p["status"]["podIPs"][0]["ip"]],
                "nodeName": p["spec"]["nodeName"],
                "conditions": {"ready": True},
            }
            for p in pods
        ],
    }


WEB = (pod("web-0", "10.42.1.2", "node-1"), pod("web-1", "10.42.2.2", "node-2"))
WORLD = World(
    services=(service(), service("kubernetes", "10.43.0.1")),
    slices=(slice_of("web", *WEB),),
    pods=WEB,
    nodes=(node(1), node(2)),
    namespaces=({"metadata": {"name": "default"}},),
    outside_ip="172.29.0.1",
)


def told(source: str, target: str, world: World = WORLD, proto: int = 6) -> Trace:
    return explain(world, parse_source(source, "default"), parse_target(target, "default"), proto)


def with_service(*services: Obj, slices: tuple[Obj, ...] = (), pods: tuple[Obj, ...] = WEB) -> World:
    return dataclasses.replace(WORLD, services=services, slices=slices, pods=pods)


def test_a_pod_asks_for_a_service_by_its_name() -> None:
    trace = told("pod/web-0", "http://web")
    assert [(end.pod, end.port, end.source) for end in trace.landings] == [
        ("default/web-0", 8080, "172.29.0.11"),  # hairpin
        ("default/web-1", 8080, "10.42.1.2"),
    ]
    words = [step.what for step in trace.steps]
    assert words[0] == "web.default.svc.cluster.local: 10.43.0.7"
    assert "chains prerouting → from-outside → find-service → services-lb-2 → postrouting" in words
    assert "map services { 10.43.0.7 . tcp . 80 : goto services-lb-2 }" in words
    assert trace.arrives and verdict(trace) == "it reaches one of 2 pods, each with the same chance"


def test_it_is_printed_for_people_and_for_programs() -> None:
    trace = told("pod/web-0", "svc/web:http")
    assert "       10.42.2.2:8080  pod default/web-1  by way of node-2" in list(lines(trace))
    assert document(trace)["ends"][1]["pod"] == "default/web-1" and document(trace)["arrives"] is True


def test_affinity_is_told() -> None:
    trace = told("pod/web-0", "svc/web", with_service(service(sessionAffinity="ClientIP"), slices=WORLD.slices))
    assert verdict(trace) == "it reaches one of 2 pods, and each client the same one again"


def test_from_outside() -> None:
    world = with_service(service(type="NodePort", port={"nodePort": 30123}), slices=WORLD.slices)
    trace = told("outside", "svc/web", world)
    assert trace.arrives and {end.source for end in trace.landings} == {"172.29.0.11"}
    assert told("outside", "172.29.0.12:30123", world).landings[0].source == "172.29.0.12"
    balanced = service(type="LoadBalancer")
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "172.29.0.201"}]}}
    trace = told("outside", "http://172.29.0.201", with_service(balanced, slices=WORLD.slices))
    assert trace.arrives and "answers for 172.29.0.201" in trace.steps[0].what


@pytest.mark.parametrize("target", ["svc/web", "web", "10.43.0.7:80", "10.42.1.2:8080"])
def test_what_means_something_inside_only(target: str) -> None:
    trace = told("outside", target)
    assert not trace.arrives
    assert "outside the cluster" in trace.reasons[0] or "inside the cluster only" in trace.reasons[0]


def test_a_pod_directly_and_the_world_outside() -> None:
    assert told("pod/web-0", "10.42.2.2:8080").landings[0].pod == "default/web-1"
    (end,) = told("pod/web-0", "192.0.2.80:443").landings
    assert (end.fate, end.source) == ("outside", "172.29.0.11")


def test_headless() -> None:
    world = with_service(service(clusterIP="None", clusterIPs=["None"]), slices=(slice_of("web", *WEB, headless=True),))
    for target in ("svc/web", "web:8080"):
        trace = told("pod/web-0", target, world)
        assert [(e.pod, e.port) for e in trace.landings] == [("default/web-0", 8080), ("default/web-1", 8080)], target


def refused(world: World, target: str = "svc/web") -> list[str]:
    trace = told("node/node-1", target, world)
    assert [end.fate for end in trace.landings] == ["reset"] and not trace.arrives
    assert verdict(trace) == "it is refused at once (TCP reset)"
    return trace.reasons


def test_why_nobody_answers() -> None:
    other = service(selector={"app": "nobody"})
    assert refused(with_service(other)) == [
        "the selector app=nobody of Service default/web matches no pod in namespace default"
    ]
    assert "has no selector" in refused(with_service(service(selector=None)))[0]
    assert refused(WORLD, "svc/web:81") == ["Service default/web has no port 81/TCP; it has http 80/TCP"]
    assert refused(WORLD, "10.43.9.9:80") == ["no Service has the address 10.43.9.9"]


def test_what_keeps_pods_from_being_endpoints() -> None:
    message = "containers with unready status: [main]"
    unready = pod("web-0", "10.42.1.2", "node-1", [{"type": "Ready", "status": "False", "message": message}])
    pending = pod("web-1", "", "", [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}])
    pulling = pod("web-2", "10.42.2.3", "node-2", [])
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}
    pulling["status"]["containerStatuses"] = [{"name": "main", "state": waiting}]
    unnamed = pod("web-3", "10.42.2.4", "node-2")
    found = refused(with_service(service(port={"targetPort": "web"}), pods=(unready, pending, pulling, unnamed)))
    assert found == [
        f"pod web-0 is not ready: {message}",
        "pod web-1 has no node: 0/2 nodes are available",
        'pod web-2 waits: container main: ImagePullBackOff Back-off pulling image "x"',
        "pod web-3 has no port named 'web', which is the Service's targetPort",
    ]


def test_local_traffic_policy() -> None:
    world = with_service(service(internalTrafficPolicy="Local"), slices=(slice_of("web", WEB[1]),))
    trace = told("node/node-1", "svc/web", world)
    assert [end.fate for end in trace.landings] == ["drop"]
    assert trace.reasons == [
        "Service default/web has internalTrafficPolicy: Local, and none of its ready pods is on node-1"
    ]


def test_names_that_lead_nowhere() -> None:
    trace = told("pod/web-0", "nosuch")
    assert trace.steps[0].what == "nosuch.default.svc.cluster.local: no such name"
    assert not trace.landings and trace.reasons == ["nosuch has no address in the cluster"]


def test_what_is_not_there() -> None:
    with pytest.raises(TraceError, match='there is no pod "x" in namespace "default"'):
        told("pod/x", "svc/web")
    with pytest.raises(TraceError, match="there are node-1, node-2"):
        told("node/x", "svc/web")
    with pytest.raises(TraceError, match='there is no Service "x"'):
        explain(WORLD, Source("node", "node-1"), parse_target("svc/x", "default"))
    with pytest.raises(TraceError, match="has no port named 'dns'"):
        told("pod/web-0", "svc/web:dns")


def test_a_pod_as_the_target() -> None:
    (end,) = told("pod/web-0", "pod/web-1").landings
    assert (end.pod, end.port, end.fate) == ("default/web-1", 8080, "pod")  # the port that it declares
    assert told("node/node-1", "pod/default/web-1:90").landings[0].port == 90
    assert "inside the cluster only" in told("outside", "pod/web-0").reasons[0]
    with pytest.raises(TraceError, match='there is no pod "x"'):
        told("pod/web-0", "pod/x")
    with pytest.raises(TraceError, match="no TCP port named 'dns'"):
        told("pod/web-0", "pod/web-0:dns")
    silent = pod("silent", "10.42.1.9", "node-1", containers=[{"name": "main"}])
    trace = told("pod/web-0", "pod/silent", with_service(pods=(*WEB, silent)))
    assert trace.landings[0].port == 80 and "declares no TCP port; 80 is taken" in trace.steps[0].what
    waiting = pod("waiting", "", "", [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}])
    waiting["status"]["podIPs"] = []
    trace = told("pod/web-0", "pod/waiting", with_service(pods=(*WEB, waiting)))
    assert not trace.arrives and trace.reasons == ["pod default/waiting has no node: 0/2 nodes"]


def with_ingress(*paths: Obj, address: str = "172.29.0.200", **spec: Any) -> World:
    """An Ingress behind a controller on node-2, whose Service has the address."""
    controller = pod("controller", "10.42.2.9", "node-2")
    balanced = service("controller", "10.43.0.9", type="LoadBalancer")
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "172.29.0.200"}]}}
    ingress = {
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {"rules": [{"host": "web.test", "http": {"paths": list(paths)}}], **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": address}] if address else []}},
    }
    slices = (slice_of("web", *WEB), slice_of("controller", controller))
    world = with_service(service(), balanced, slices=slices, pods=(*WEB, controller))
    return dataclasses.replace(world, ingresses=(ingress,))


def path(name: str = "web", port: Obj | None = None) -> Obj:
    return {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": name, "port": port or {"number": 80}}}}


def test_an_ingress_as_the_target() -> None:
    trace = told("outside", "ingress/web", with_ingress(path()))
    assert [(end.pod, end.port, end.source) for end in trace.landings] == [
        ("default/web-0", 8080, "10.42.2.9"),  # HAProxy connects to the pods themselves
        ("default/web-1", 8080, "10.42.2.9"),
    ]
    words = [step.what for step in trace.steps]
    assert words[0] == "Ingress default/web has the address 172.29.0.200"
    assert "the ingress controller default/controller takes it" in words
    assert "web.test/ → Service default/web:80" in words
    assert trace.arrives
    by_name = told("pod/web-0", "ingress/default/web", with_ingress(path(port={"name": "http"})))
    assert by_name.arrives and len(by_name.landings) == 2


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        ([path("ghost")], "Ingress default/web names Service default/ghost, which does not exist"),
        ([path(port={"number": 81})], "Service default/web has no TCP port 81; it has http 80/TCP"),
    ],
)
def test_an_ingress_with_a_bad_backend(paths: list[Obj], why: str) -> None:
    trace = told("outside", "ingress/web", with_ingress(*paths))
    assert not trace.arrives and trace.reasons == [why]
    assert verdict(trace) == "it is answered with 503 by the ingress controller"


def test_an_ingress_without_an_address_and_one_that_does_not_exist() -> None:
    trace = told("outside", "ingress/web", with_ingress(path(), address="", ingressClassName="nginx"))
    assert trace.reasons == ["Ingress default/web has no address: no ingress controller serves its class nginx"]
    with pytest.raises(TraceError, match='there is no Ingress "x"'):
        told("outside", "ingress/x")
    with pytest.raises(TraceError, match="takes TCP only"):
        told("outside", "ingress/web", with_ingress(path()), proto=17)
    assert told("outside", "ingress/web", with_ingress(path(), tls=[{"secretName": "x"}])).reasons  # 443 is taken
