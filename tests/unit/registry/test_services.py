"""Services through the registry: what is filled in, what is refused, who holds which address and port."""

# ruff: noqa: E501 (tables of inputs and messages)

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubette.api.errors import Invalid
from kubette.api.kinds import resource
from kubette.apiserver import registry
from kubette.apiserver.registry import RegistryConfig
from kubette.apiserver.registry.allocators import AddressPool, Pool, Unavailable

WEB = {"selector": {"app": "kubia"}, "ports": [{"port": 80, "targetPort": 8080}]}
RANGE = "The range of valid ports is 30000-32767"


def service(name="web", **spec):
    return {"metadata": {"name": name}, "spec": {**WEB, **spec}}


def node_port(name, number, port=80, **more):
    return service(name, type="NodePort", ports=[{"port": port, "nodePort": number, **more}])


def test_a_cluster_ip_and_the_defaults_are_filled_in(world):
    spec = world.create("services", service())["spec"]
    assert ipaddress.ip_address(spec["clusterIP"]) in ipaddress.ip_network("10.43.0.0/16")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ports"] == [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]
    assert (spec["type"], spec["sessionAffinity"]) == ("ClusterIP", "None")
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    assert spec["internalTrafficPolicy"] == "Cluster" and "externalTrafficPolicy" not in spec


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"clusterIP": "10.43.0.10"}, '["10.43.0.10"]: failed to allocate IP 10.43.0.10: provided IP is already allocated'),
        ({"clusterIP": "10.44.0.1"}, "the provided IP (10.44.0.1) is not in the valid range. The range of valid IPs is 10.43.0.0/16"),
        ({"clusterIP": "10.43.0.0"}, "is not in the valid range"),
        ({"clusterIP": "10.43.255.255"}, "is not in the valid range"),
        ({"clusterIP": "x"}, "must be a valid IP address"),
        ({"ports": [{"port": 70000}]}, "must be between 1 and 65535, inclusive"),
        ({"ports": []}, "spec.ports: Required value"),
        ({"ports": [{"port": 80}, {"port": 81}]}, "spec.ports[0].name: Required value"),
        ({"ports": [{"port": 80, "nodePort": 30001}]}, "may not be used when `type` is 'ClusterIP'"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}, "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. " + RANGE),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30123}]}, "spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated"),
        ({"type": "ExternalName"}, "spec.externalName: Required value"),
        ({"type": "Nonsense"}, 'spec.type: Unsupported value: "Nonsense"'),
        ({"type": "NodePort", "clusterIP": "None"}, "may not be set to 'None' for NodePort services"),
        ({"ipFamilies": ["IPv6"]}, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        ({"ipFamilyPolicy": "RequireDualStack"}, "this cluster is not configured for dual-stack services"),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 90000}}}, "must be greater than 0 and less than 86400"),
        ({"externalIPs": ["127.0.0.1"]}, "may not be in the loopback range"),
        ({"ports": [{"port": 80, "targetPort": "not_a_port"}]}, "must contain only alpha-numeric characters"),
    ],
)  # fmt: skip
def test_what_is_refused(world, spec, says):
    world.create("services", node_port("taken", 30123))
    world.create("services", service("dns", clusterIP="10.43.0.10"))
    with pytest.raises(Invalid) as refused:
        world.create("services", service(**spec))
    assert says in str(refused.value)


def test_a_refused_service_holds_nothing_and_takes_nothing_from_others(world):
    taken = world.create("services", node_port("taken", 30123))
    wanted = {"clusterIP": "10.43.0.77", "type": "NodePort"}
    ports = [{"port": 80, "nodePort": 30200, "name": "a"}, {"port": 81, "nodePort": 30123, "name": "b"}]
    with pytest.raises(Invalid):
        world.create("services", service("greedy", **wanted, ports=ports))
    for number in (30200,):
        world.create("services", node_port(f"n{number}", number))
    world.create("services", service("ip", clusterIP="10.43.0.77"))
    with pytest.raises(Invalid):
        world.create("services", service("thief", clusterIP=taken["spec"]["clusterIP"]))
    with pytest.raises(Invalid):
        world.create("services", node_port("thief", 30123))


def test_a_dry_run_takes_nothing(world):
    for _ in range(2):
        world.create("services", node_port("dry", 30123) | {}, dry_run=True)
    world.create("services", node_port("real", 30123))


def test_what_a_deleted_service_held_is_free_again(world):
    first = world.create("services", node_port("first", 30123))
    world.delete("services", first)
    second = world.create("services", node_port("second", 30123))
    assert second["spec"]["ports"][0]["nodePort"] == 30123


def test_an_update_keeps_what_the_server_chose(world):
    made = world.create("services", service(type="NodePort"))
    spec = made["spec"]
    again = world.update("services", {**made, "spec": {**WEB, "type": "NodePort"}})["spec"]
    assert again["clusterIP"] == spec["clusterIP"]
    assert again["ports"][0]["nodePort"] == spec["ports"][0]["nodePort"]


def test_a_service_becomes_multiport_by_replace(world):
    made = world.create("services", service())
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8443}]
    now = world.update("services", {**made, "spec": {"selector": {"app": "kubia"}, "ports": ports}})
    assert now["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert [p["name"] for p in now["spec"]["ports"]] == ["http", "https"]


def test_the_cluster_ip_may_not_change(world):
    made = world.create("services", service(clusterIP="10.43.0.5"))
    with pytest.raises(Invalid, match="may not change once set"):
        world.update("services", {**made, "spec": {**WEB, "clusterIP": "10.43.0.6"}})


def test_types_change_and_ports_follow(world):
    made = world.create("services", service())
    made["spec"]["type"] = "NodePort"
    made = world.update("services", made)
    number = made["spec"]["ports"][0]["nodePort"]
    assert made["spec"]["externalTrafficPolicy"] == "Cluster"
    made["spec"]["type"] = "ClusterIP"
    made = world.update("services", made)
    assert "nodePort" not in made["spec"]["ports"][0] and "externalTrafficPolicy" not in made["spec"]
    world.create("services", node_port("heir", number))
    ip = made["spec"]["clusterIP"]
    made["spec"] |= {"type": "ExternalName", "externalName": "example.com"}
    made = world.update("services", made)
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "internalTrafficPolicy"} & made["spec"].keys()
    world.create("services", service("next", clusterIP=ip))
    other = world.create("services", service("other"))
    for field in ("clusterIP", "clusterIPs"):  # a client that takes the address away itself
        del other["spec"][field]
    other["spec"] |= {"type": "ExternalName", "externalName": "example.com"}
    assert not {"clusterIP", "ipFamilies", "ipFamilyPolicy"} & world.update("services", other)["spec"].keys()


def test_a_load_balancer_with_local_policy_has_a_health_check_port(world):
    made = world.create("services", service(type="LoadBalancer", externalTrafficPolicy="Local"))
    spec = made["spec"]
    assert spec["allocateLoadBalancerNodePorts"] is True
    assert 30000 <= spec["healthCheckNodePort"] <= 32767
    assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]
    spec["externalTrafficPolicy"] = "Cluster"
    assert "healthCheckNodePort" not in world.update("services", made)["spec"]


def test_tcp_and_udp_of_one_port_share_a_node_port(world):
    ports = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]
    made = world.create("services", service(type="NodePort", ports=ports))
    assert len({p["nodePort"] for p in made["spec"]["ports"]}) == 1


def test_headless_services_hold_no_address(world):
    spec = world.create("services", service(clusterIP="None"))["spec"]
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])
    assert spec["ipFamilies"] == ["IPv4"]


def test_after_a_restart_nothing_is_given_twice(world):
    made = [world.create("services", service(f"s{i}", type="NodePort")) for i in range(20)]
    registry.configure(RegistryConfig())
    registry.strategy_for(resource("services")).restore(world.list(resource("services")))
    for old in made:
        with pytest.raises(Invalid, match="already allocated"):
            world.create("services", service("new", clusterIP=old["spec"]["clusterIP"]))
        with pytest.raises(Invalid, match="already allocated"):
            world.create("services", node_port("new", old["spec"]["ports"][0]["nodePort"]))


def test_dual_stack_takes_one_address_of_each_family(world):
    registry.configure(RegistryConfig(service_cidrs=("10.43.0.0/16", "fd00:43::/112")))
    spec = world.create("services", service(ipFamilyPolicy="PreferDualStack"))["spec"]
    assert spec["ipFamilies"] == ["IPv4", "IPv6"]
    assert [":" in ip for ip in spec["clusterIPs"]] == [False, True]


def test_the_range_runs_out_and_says_so(world):
    registry.configure(RegistryConfig(service_cidrs=("10.0.0.0/29",), node_ports=(30000, 30000)))
    for i in range(6):
        world.create("services", service(f"s{i}"))
    with pytest.raises(Invalid, match="range is full"):
        world.create("services", service("late"))


@given(st.lists(st.integers(0, 40) | st.just(None)), st.integers(0, 20))
@settings(max_examples=60)
def test_a_pool_never_gives_a_number_twice(asked, reserved):
    pool, held = Pool(0, 31, reserved), set()
    for value in asked:
        if value is None:
            got = pool.take_any()
            assert (got is None) == (len(held & set(range(32))) == 32)
            if got is not None:
                assert got not in held and 0 <= got <= 31
                held.add(got)
        elif value in held:
            pool.give_back(value)
            held.discard(value)
        elif value <= 31:
            assert pool.take(value)
            held.add(value)


def test_automatic_addresses_leave_the_static_band_alone():
    pool = AddressPool("10.43.0.0/24")
    given_out = [int(ipaddress.ip_address(pool.take_any())) & 0xFF for _ in range(200)]
    assert min(given_out) > 16
    with pytest.raises(Unavailable):
        pool.take("10.43.0.255")
