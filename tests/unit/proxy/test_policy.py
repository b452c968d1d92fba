"""Policy and arrangement: who serves, and in which slot."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from kubette.nft.expr import Family
from kubette.proxy import state
from kubette.proxy.contribution import Ids, number
from kubette.proxy.policy import Empty, Node, Scope, arrange, frontends, usable
from kubette.proxy.state import Endpoint, Service, ServicePort, Slice

Pool: TypeAlias = frozenset[tuple[str, int]]
NODE = Node("node-1", frozenset({"172.29.0.11"}))
backend = st.tuples(st.sampled_from([f"10.42.0.{i}" for i in range(8)]), st.just(80))


@given(st.frozensets(backend), st.frozensets(backend))
def test_slots_are_dense_and_move_as_little_as_possible(before: Pool, after: Pool) -> None:
    old = arrange((), before)
    new = arrange(old, after)
    assert len(new) == len(after) and set(new) == after
    same = sum(a == b for a, b in zip(old, new, strict=False))
    assert same == sum(b in after for b in old[: len(new)])


def test_an_id_is_not_given_to_the_next_backend() -> None:
    first = number(Ids(), frozenset({("a", 1), ("b", 1)}))
    second = number(first, frozenset({("b", 1), ("c", 1)}))
    assert second.numbers["b", 1] == first.numbers["b", 1]
    assert second.numbers["c", 1] not in first.numbers.values()


def test_terminating_endpoints_are_the_last_resort() -> None:
    ready = Endpoint("10.42.0.2", 80)
    leaving = Endpoint("10.42.0.3", 80, ready=False, serving=True, terminating=True)
    unready = Endpoint("10.42.0.4", 80, ready=False, serving=False)
    assert usable([ready, leaving, unready]) == {("10.42.0.2", 80)}
    assert usable([leaving, unready]) == {("10.42.0.3", 80)}
    assert usable([unready]) == frozenset()
    assert usable([unready], publish_not_ready=True) == {("10.42.0.4", 80)}


def test_local_policies_drop_where_others_could_serve() -> None:
    service = Service(
        ("d", "web"), (ServicePort("", 6, 80, 30080),), ("10.43.0.7",), lb_ips=("172.29.0.200",), external_local=True
    )
    far = Slice(("d", "web"), Family.IPV4, {("", 6): (Endpoint("10.42.1.2", 80, "node-2"),)})
    by_scope = {f.scope: f.pool for f in frontends(service, [far], NODE)}
    assert by_scope[Scope.SERVICES].backends and by_scope[Scope.NODEPORTS].backends
    assert by_scope[Scope.LOCAL_SERVICES].empty is Empty.DROP
    assert {f.pool.empty for f in frontends(service, [], NODE)} == {Empty.REFUSE}


def test_named_target_ports_may_have_different_numbers() -> None:
    slices = [
        Slice(("d", "web"), Family.IPV4, {("http", 6): (Endpoint("10.42.0.2", 8080),)}),
        Slice(("d", "web"), Family.IPV4, {("http", 6): (Endpoint("10.42.0.3", 9090),)}),
    ]
    service = Service(("d", "web"), (ServicePort("http", 6, 80),), ("10.43.0.7",))
    (frontend,) = frontends(service, slices, NODE)
    assert frontend.pool.backends == {("10.42.0.2", 8080), ("10.42.0.3", 9090)}


def test_services_that_are_not_ours() -> None:
    for spec in ({"clusterIP": "None"}, {"type": "ExternalName", "externalName": "x"}, {}):
        assert state.service({"metadata": {"name": "a", "namespace": "b"}, "spec": spec}) is None


def test_both_families_are_kept_apart() -> None:
    service = Service(("d", "web"), (ServicePort("", 17, 53),), ("10.43.0.7", "fd00::7"))
    six = Slice(("d", "web"), Family.IPV6, {("", 17): (Endpoint("fd01::2", 53),)})
    pools = {f.family: f.pool.backends for f in frontends(service, [six], NODE)}
    assert pools == {Family.IPV4: frozenset(), Family.IPV6: {("fd01::2", 53)}}
