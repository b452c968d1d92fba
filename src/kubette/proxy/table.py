"""The nftables table of the service data plane, as data.

The rules do not grow with the Services: everything is in maps. For each scope S (services, nodeports, local-…):

    map S                    { [daddr .] proto . dport        : verdict }     goto S-lb-N…, refuse or drop
    map S-endpoints          { [daddr .] proto . dport . slot : ip . port }   slot 0..N-1
    map S-affinity-slots     { [daddr .] proto . dport . slot : id }
    map S-affinity-endpoints { [daddr .] proto . dport . id   : ip . port }

Only ClientIP affinity adds to the rules. A Service port P with affinity has one map, whatever address the client calls,
and a chain for each of its scopes:

    map affinity-P           { saddr : id }                                   filled by rules, with a timeout
    chain S-lb-N-affinity-SECONDS-P

Hooks, and why each:

    prerouting, output  nat, dstnat     choose a backend, rewrite the destination
    guard-*             filter, after   what is still addressed to a service IP now has no such port: refuse it, before
                                        it is routed to the node itself (packets that conntrack calls invalid, too)
    postrouting         nat, srcnat     replies must come back through this node: hairpin, outside sources
"""

from __future__ import annotations

import struct
from functools import lru_cache

from kubette.nft import expr as e
from kubette.nft.types import Chain, Field, Hook, Set, Table, addr_field, family_of, network, packed_ip
from kubette.proxy.config import ProxyConfig
from kubette.proxy.policy import Scope

MASQUERADE = 0x4000  # mark bit: a service chose the destination, the source may need rewriting
TCP, UDP, SCTP = 6, 17, 132
_DSTNAT, _AFTER_DSTNAT, _SRCNAT = -100, -90, 100
_ESTABLISHED_OR_RELATED = 2 | 4
_AFFINITY_CLIENTS = 1 << 16  # of one Service port; further clients are served, and not remembered
REFUSE = e.goto("refuse")
HAIRPIN, GUARDED, NODE_IPS, NODEPORT_IPS = "hairpin", "guarded", "node-ips", "nodeport-ips"
FIREWALLED, ALLOWED = "firewalled", "allowed-sources"


def host32(number: int) -> bytes:
    """A 32-bit number as registers hold it."""
    return struct.pack("=I", number & 0xFFFFFFFF)


def skeleton(config: ProxyConfig, family: e.Family) -> Table:
    """The table without any service."""
    table = Table(family, config.table_name)
    address = addr_field(family)
    frontend = (address, Field.INET_PROTO, Field.INET_SERVICE)
    for scope in Scope:
        _add_maps(table, scope, frontend if scope.by_address else frontend[1:], address)
    table.add_set(Set(HAIRPIN, (address, address)))
    for name in (GUARDED, NODE_IPS, NODEPORT_IPS):
        table.add_set(Set(name, (address,)))
    table.add_set(Set(FIREWALLED, frontend))
    table.add_set(Set(ALLOWED, (*frontend, address), interval=True))
    own = [ip for ip in config.node_ips if family_of(ip) is family]
    ports = [ip for ip in config.nodeport_addresses or config.node_ips if family_of(ip) is family]
    table.elements[NODE_IPS] = {packed_ip(ip): b"" for ip in own}
    table.elements[NODEPORT_IPS] = {packed_ip(ip): b"" for ip in ports}
    for chain in _chains(config, family, packed_ip(own[0])):
        table.add_chain(chain)
    return table


def _add_maps(table: Table, scope: Scope, key: tuple[Field, ...], address: Field) -> None:
    backend = (address, Field.INET_SERVICE)
    name = scope.value
    table.add_set(Set(name, key, verdicts=True))
    table.add_set(Set(f"{name}-endpoints", (*key, Field.MARK), backend))
    table.add_set(Set(f"{name}-affinity-slots", (*key, Field.MARK), (Field.MARK,)))
    table.add_set(Set(f"{name}-affinity-endpoints", (*key, Field.MARK), backend))


def affinity_map(service_port: str, family: e.Family) -> Set:
    """Which backend the clients of a Service port have. The rules set a timeout of their own on each element."""
    return Set(
        f"affinity-{service_port}", (addr_field(family),), (Field.MARK,), dynamic=True,
        timeout_ms=10_800_000, size=_AFFINITY_CLIENTS,
    )  # fmt: skip


def _chains(config: ProxyConfig, family: e.Family, node_ip: bytes) -> list[Chain]:
    """The constant chains, each after those it refers to."""
    pods = _members(config.cluster_cidrs, family, e.saddr(family, 0), e.RETURN)
    load = e.daddr(family, 0)
    passed = _members(config.service_cidrs if config.add_route else (), family, load, e.ACCEPT)
    own_source = (e.saddr(family, 0), e.Lookup(NODE_IPS, 0), e.Judge(e.RETURN))
    bits = host32(_ESTABLISHED_OR_RELATED)
    running = (e.CtState(0), e.Bitwise(0, bits, bytes(4)), e.Cmp(0, bytes(4), False), e.Judge(e.RETURN))
    dnat = [(e.Judge(e.jump("firewall")),), (e.Judge(e.jump("find-service")),)]
    outside = (e.Judge(e.jump("from-outside")),)
    reset = (e.l4proto(0), e.Cmp(0, bytes((TCP,))), e.Reject(family, tcp_reset=True))
    unreachable = tuple((e.l4proto(0), e.Cmp(0, bytes((p,))), e.Reject(family, False)) for p in (UDP, SCTP))
    drop = (e.Judge(e.DROP),)

    def guard(name: str, hook: Hook, end: e.Verdict) -> Chain:
        known = (load, e.Lookup(GUARDED, 0), e.Judge(end))
        rules = (running, *_members(config.service_cidrs, family, load, end), known)
        return Chain(name, rules, "filter", hook, _AFTER_DSTNAT)

    return [
        # A drop in OUTPUT is an error to the sender, and a ping should see silence: it takes the service CIDR's route
        # through lo and is dropped in PREROUTING.
        Chain("refuse", (reset, *unreachable, *passed, drop)),
        Chain("refuse-finally", (reset, *unreachable, drop)),
        Chain("firewall", (_firewall(family),)),
        Chain("find-service", (_dispatch(Scope.SERVICES, family), _dispatch(Scope.NODEPORTS, family))),
        Chain("from-outside", (
            *pods, own_source, _dispatch(Scope.LOCAL_SERVICES, family), _dispatch(Scope.LOCAL_NODEPORTS, family),
        )),
        Chain("prerouting", (dnat[0], outside, dnat[1]), "nat", Hook.PREROUTING, _DSTNAT),
        Chain("output", tuple(dnat), "nat", Hook.OUTPUT, _DSTNAT),
        guard("guard-prerouting", Hook.PREROUTING, e.goto("refuse-finally")),
        guard("guard-output", Hook.OUTPUT, REFUSE),
        Chain("postrouting", _postrouting(family, node_ip, pods, own_source), "nat", Hook.POSTROUTING, _SRCNAT),
    ]  # fmt: skip


def _postrouting(family: e.Family, node_ip: bytes, pods: tuple[e.Rule, ...], own_source: e.Rule) -> tuple[e.Rule, ...]:
    rewrite = (e.Immediate(0, node_ip), e.Nat(family, 0, source=True))
    mark = e.MetaKey.MARK
    return (
        (e.saddr(family, 0), e.daddr(family, family.words), e.Lookup(HAIRPIN, 0), *rewrite),
        (e.Meta(0, mark), e.Bitwise(0, host32(MASQUERADE), bytes(4)), e.Cmp(0, bytes(4)), e.Judge(e.RETURN)),
        (e.Meta(0, mark), e.Bitwise(0, host32(0xFFFF & ~MASQUERADE), bytes(4)), e.MetaSet(0, mark)),
        *pods,
        own_source,
        rewrite,
    )


def _members(cidrs: tuple[str, ...], family: e.Family, load: e.Payload, verdict: e.Verdict) -> tuple[e.Rule, ...]:
    rules: list[e.Rule] = []
    for cidr in cidrs:
        if family_of(cidr) is family:
            net, mask = network(cidr)
            rules.append((load, e.Bitwise(0, mask, bytes(family.size)), e.Cmp(0, net), e.Judge(verdict)))
    return tuple(rules)


def _frontend(scope: Scope, family: e.Family, reg: int) -> tuple[tuple[e.Expr, ...], int]:
    """Loads of a frontend's key from ``reg`` on, and the register after it."""
    loads: tuple[e.Expr, ...] = ()
    if scope.by_address:
        loads = (e.daddr(family, reg),)
        reg += family.words
    return (*loads, e.l4proto(reg), e.dport(reg + 1)), reg + 2


def _dispatch(scope: Scope, family: e.Family) -> e.Rule:
    loads, _ = _frontend(scope, family, 0)
    ours = () if scope.by_address else (e.daddr(family, 0), e.Lookup(NODEPORT_IPS, 0))
    return (*ours, *loads, e.VerdictLookup(scope.value, 0))


def _firewall(family: e.Family) -> e.Rule:
    loads, after = _frontend(Scope.SERVICES, family, 0)
    allowed = e.Lookup(ALLOWED, 0, inverted=True)
    return (*loads, e.saddr(family, after), e.Lookup(FIREWALLED, 0), allowed, e.Judge(e.DROP))


@lru_cache(maxsize=4096)
def backend_verdict(scope: Scope, count: int, affinity: int = 0, service_port: str = "") -> e.Verdict:
    """The chain for a frontend with ``count`` backends. ``affinity`` in seconds, 0 without; only then the Service
    port matters."""
    suffix = f"-affinity-{affinity}-{service_port}" if affinity else ""
    return e.goto(f"{scope.value}-lb-{count}{suffix}")


@lru_cache(maxsize=1024)
def backend_chain(name: str, family: e.Family) -> Chain:
    """The chain of a verdict made by ``backend_verdict``."""
    head, _, rest = name.partition("-lb-")
    count, _, affinity = rest.partition("-affinity-")
    scope = Scope(head)
    number = int(count)
    if affinity:
        seconds, _, service_port = affinity.partition("-")
        return Chain(name, _sticky(scope, family, number, int(seconds), affinity_map(service_port, family).name))
    choose = _balanced(scope, family, number)
    return Chain(name, choose if scope.keeps_source else (_masquerade(0), *choose))


def sticky_service_port(chain: str) -> str:
    """The Service port whose affinity map a chain uses; empty for other chains."""
    return chain.partition("-affinity-")[2].partition("-")[2]


def _masquerade(reg: int) -> e.Rule:
    """Mark the packet: its source may need rewriting."""
    mark = e.MetaKey.MARK
    return (e.Meta(reg, mark), e.Bitwise(reg, host32(~MASQUERADE), host32(MASQUERADE)), e.MetaSet(reg, mark))


def _slots(count: int, reg: int) -> tuple[e.Expr, ...]:
    """How to choose a slot: at random, and slot 0 when the one chosen went away this very moment."""
    first = e.Numgen(reg, 1)
    return (e.Numgen(reg, count), first) if count > 1 else (first,)


def _balanced(scope: Scope, family: e.Family, count: int) -> tuple[e.Rule, ...]:
    loads, slot = _frontend(scope, family, 0)
    found = (e.MapLookup(f"{scope.value}-endpoints", 0, 0), e.Nat(family, 0, family.words))
    return tuple((*loads, choice, *found) for choice in _slots(count, slot))


def affinity_mark(number: int) -> bytes:
    """The mark that stands for a backend of a Service port with affinity: the id in the upper half, never 0."""
    return host32(number << 16)


def _sticky(scope: Scope, family: e.Family, count: int, seconds: int, clients: str) -> tuple[e.Rule, ...]:
    """The backend that the client had, else any, which is remembered in the map ``clients``. The id goes through the
    mark: nft 1.0.6 (Debian 12) aborts in ``nft list`` when one map's value is part of another's key, and a ruleset must
    stay readable."""
    words, mark = family.words, e.MetaKey.MARK
    loads, id_ = _frontend(scope, family, words)
    client = e.saddr(family, 0)
    remember = e.Dynset(clients, e.DynOp.UPDATE, 0, id_, seconds * 1000)
    masquerade = () if scope.keeps_source else _masquerade(id_)

    def serve(*then: e.Expr) -> e.Rule:
        """By the id in the mark. The rule ends before it sends when the id is no backend's here, or ``then`` fails."""
        found = e.MapLookup(f"{scope.value}-affinity-endpoints", words, id_ + 1)
        send = e.Nat(family, id_ + 1, id_ + 1 + words)
        return (client, *loads, e.Meta(id_, mark), found, *then, *masquerade, send)

    rules: list[e.Rule] = [
        (e.Immediate(0, bytes(4)), e.MetaSet(0, mark)),
        (client, e.MapLookup(clients, 0, words), e.MetaSet(words, mark)),
        serve(remember),
        # The backend is gone, or out of this scope's reach: forget it, an update would keep the stale id.
        (client, e.Numgen(words, 1), e.Dynset(clients, e.DynOp.DELETE, 0, words)),
    ]
    frontend, slot = _frontend(scope, family, 0)
    for choice in _slots(count, slot):
        chosen = (*frontend, choice, e.MapLookup(f"{scope.value}-affinity-slots", 0, 0), e.MetaSet(0, mark))
        rules += [chosen, serve(remember), serve()]  # the last one where the map is full
    return tuple(rules)
