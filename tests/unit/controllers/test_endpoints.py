"""Which pods stand behind a Service and at which ports, in both forms."""

from __future__ import annotations

from typing import Any

from kubette.api import meta
from kubette.controllers import slices
from kubette.controllers.endpoints import subsets
from kubette.controllers.endpointslice import decide, endpoints
from kubette.controllers.endpointslicemirroring import mirrored
from kubette.controllers.servicepods import Port
from kubette.controllers.triggertime import ANNOTATION, TriggerTimes
from kubette.controllers.writes import Create, Delete, Update

Obj = dict[str, Any]


def pod(number: int, *, ready: bool = True, ports: dict[str, int] | None = None, deleting: bool = False) -> Obj:
    name = f"kubia-{number}"
    m: Obj = {"name": name, "namespace": "default", "uid": f"u{number}", "labels": {"app": "kubia"}}
    if deleting:
        m["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    offered = [{"name": n, "containerPort": p} for n, p in (ports or {}).items()]
    return {
        "metadata": m,
        "spec": {"nodeName": "node-1", "containers": [{"ports": offered}]},
        "status": {
            "phase": "Running",
            "podIP": f"10.42.{number // 250}.{number % 250 + 2}",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def service(*ports: Obj, **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubia", "namespace": "default", "uid": "s", "labels": {"tier": "web"}},
        "spec": {"clusterIP": "10.43.1.2", "selector": {"app": "kubia"}, "ports": list(ports), **spec},
    }


HTTP = {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}
HTTPS = {"name": "https", "port": 443, "targetPort": "tls", "protocol": "TCP"}


def test_one_name_for_different_numbers_makes_a_subset_or_slice_of_each() -> None:
    pods = [pod(0, ports={"tls": 8443}), pod(1, ports={"tls": 9443})]
    packed, _ = subsets(service(HTTP, HTTPS), pods)
    assert [(len(s["addresses"]), [(p["name"], p["port"]) for p in s["ports"]]) for s in packed] == [
        (2, [("http", 8080)]),
        (1, [("https", 8443)]),
        (1, [("https", 9443)]),
    ]
    groups = endpoints(service(HTTP, HTTPS), pods, {})
    assert {tuple(p.port for p in ports): len(e) for (_, ports), e in groups.items()} == {
        (8080, 8443): 1,
        (8080, 9443): 1,
    }


def test_ports_with_the_same_addresses_share_a_subset() -> None:
    plain = {**HTTPS, "targetPort": 8443}
    (subset,), _ = subsets(service(HTTP, plain), [pod(0), pod(1)])
    assert subset["ports"] == [
        {"name": "http", "port": 8080, "protocol": "TCP"},
        {"name": "https", "port": 8443, "protocol": "TCP"},
    ]
    assert [a["ip"] for a in subset["addresses"]] == ["10.42.0.2", "10.42.0.3"]


def test_conditions_of_pods_that_start_end_or_are_published_early() -> None:
    pods = [pod(0), pod(1, ready=False), pod(2, deleting=True)]
    (found,) = endpoints(service(HTTP), pods, {"node-1": "z"}).values()
    assert [tuple(e["conditions"].values()) for e in found] == [
        (True, True, False),
        (False, False, False),
        (False, True, True),
    ]
    assert found[0]["zone"] == "z"
    (subset,), _ = subsets(service(HTTP), pods)
    assert (len(subset["addresses"]), len(subset["notReadyAddresses"])) == (1, 1)
    (early,) = endpoints(service(HTTP, publishNotReadyAddresses=True), pods, {}).values()
    assert all(e["conditions"]["ready"] for e in early)


def test_a_headless_service_needs_no_port_and_gives_hostnames() -> None:
    named = pod(0)
    named["spec"] |= {"hostname": "one", "subdomain": "kubia"}
    headless = service(clusterIP="None", ports=[])
    (subset,), _ = subsets(headless, [named])
    assert (subset["addresses"][0]["hostname"], "ports" in subset) == ("one", False)
    ((group, (endpoint,)),) = endpoints(headless, [named], {}).items()
    assert (group, endpoint["hostname"]) == (("IPv4", ()), "one")


def test_both_families_have_slices_of_their_own() -> None:
    dual = pod(0)
    dual["status"]["podIPs"] = [{"ip": "10.42.0.2"}, {"ip": "fd00::2"}]
    groups = endpoints(service(HTTP, ipFamilies=["IPv4", "IPv6"]), [dual], {})
    assert {g[0]: e[0]["addresses"] for g, e in groups.items()} == {"IPv4": ["10.42.0.2"], "IPv6": ["fd00::2"]}


def _apply(present: dict[str, Obj], writes: list[Create | Update | Delete]) -> dict[str, Obj]:
    out = dict(present)
    for write in writes:
        if isinstance(write, Create):
            name = f"kubia-{len(out)}-{len(present)}"
            out[name] = {**write.obj, "metadata": {**write.obj["metadata"], "name": name}}
        elif isinstance(write, Update):
            out[meta.name(write.obj)] = write.obj
        else:
            del out[meta.name(write.target)]
    return out


def test_slices_hold_a_hundred_and_a_change_touches_one() -> None:
    pods = [pod(i) for i in range(250)]
    present = _apply({}, decide(service(HTTP), pods, {}, []))
    assert sorted(len(s["endpoints"]) for s in present.values()) == [50, 100, 100]
    assert decide(service(HTTP), pods, {}, present.values()) == []
    writes = decide(service(HTTP), [*pods[1:], pod(250)], {}, present.values())
    assert [type(w) for w in writes] == [Update], "the newcomer takes the place that is written anyway"
    present = _apply(present, decide(service(HTTP), [], {}, present.values()))
    (placeholder,) = present.values()
    assert placeholder["endpoints"] == []
    assert placeholder["metadata"]["labels"] == {
        "tier": "web",
        slices.SERVICE_NAME: "kubia",
        slices.MANAGED_BY: "endpointslice-controller.k8s.io",
    }


def test_endpoints_over_capacity_are_cut_the_ready_first() -> None:
    packed, cut = subsets(service(HTTP), [pod(i, ready=i >= 10) for i in range(1010)])
    assert cut
    assert [(len(s["addresses"]), s.get("notReadyAddresses")) for s in packed] == [(1000, None)]


def test_each_subset_over_capacity_gives_up_its_share() -> None:
    pods = [pod(i, ready=i % 4 > 0, ports={"tls": 8443 + i % 2}) for i in range(1200)]
    packed, cut = subsets(service(HTTPS), pods)
    assert cut
    assert [(len(s["addresses"]), len(s.get("notReadyAddresses", []))) for s in packed] == [(300, 100), (600, 0)]
    packed, cut = subsets(service(HTTPS), [pod(i, ports={"tls": 8443 + (i >= 900)}) for i in range(1200)])
    assert (cut, [len(s["addresses"]) for s in packed]) == (True, [750, 250])


def test_the_change_that_brought_an_update_about_is_told_by_its_time() -> None:
    def ready_at(number: int, second: int) -> Obj:
        out = pod(number)
        out["status"]["conditions"][0]["lastTransitionTime"] = f"2026-01-01T00:00:{second:02}Z"
        return out

    times, svc = TriggerTimes(), service(HTTP)
    svc["metadata"]["creationTimestamp"] = "2026-01-01T00:00:01Z"
    assert times.since_last(svc, [ready_at(0, 5)]) == "2026-01-01T00:00:01Z", "new: the Service's own"
    assert times.since_last(svc, [ready_at(0, 5), ready_at(1, 9), ready_at(2, 8)]) == "2026-01-01T00:00:08Z"
    assert times.since_last(svc, [ready_at(0, 5)]) == "", "who leaves says nothing"
    present = _apply({}, decide(svc, [pod(0)], {}, [], "2026-01-01T00:00:08Z"))
    assert [meta.annotations(s) for s in present.values()] == [{ANNOTATION: "2026-01-01T00:00:08Z"}]
    assert decide(svc, [pod(0)], {}, present.values(), "2026-01-01T00:00:09Z") == [], "no reason to write"
    present = _apply(present, decide(svc, [pod(0), pod(1)], {}, present.values()))
    assert [meta.annotations(s) for s in present.values()] == [{}]


def test_endpoints_made_by_hand_are_mirrored_with_their_ports() -> None:
    made = {
        "subsets": [
            {
                "addresses": [{"ip": "11.11.11.11"}],
                "notReadyAddresses": [{"ip": "22.22.22.22"}],
                "ports": [{"port": 80}],
            }
        ]
    }
    assert mirrored(made) == {
        ("IPv4", (Port("", 80, "TCP"),)): [
            {"addresses": ["11.11.11.11"], "conditions": {"ready": True}},
            {"addresses": ["22.22.22.22"], "conditions": {"ready": False}},
        ]
    }
