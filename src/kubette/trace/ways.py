"""One packet through one node's service table: every way that it may go, with the chains that it passes.

The table is made by the proxy's own program from the objects; the packet walks it in ``nft.tracer``. Where the table
chooses at random, each choice is walked.
"""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass

from kubette.api import meta
from kubette.api.meta import Object
from kubette.nft.expr import Family
from kubette.nft.fake import FakeKernel
from kubette.nft.tracer import Outcome, Packet, Tracer
from kubette.nft.types import Table, family_of, inside, packed_ip
from kubette.proxy import state
from kubette.proxy.config import ProxyConfig
from kubette.proxy.program import Program
from kubette.trace.world import World, node_ips

_MOST = 1000  # choices that are walked
_NAMES = {6: "tcp", 17: "udp", 132: "sctp"}


@dataclass(frozen=True, slots=True)
class Way:
    """``fate`` is accept, drop, reset or unreachable; destination and source are those behind the table."""

    fate: str
    address: str
    port: int
    source: str
    chains: tuple[str, ...]
    rewritten: bool  # the destination is a backend's, not the one that was called


def table_of(world: World, node: Object, family: Family) -> Table | None:
    """The service table of a node; None when the node has no address of the family."""
    spec, ips = node.get("spec") or {}, tuple(node_ips(node))
    cidrs = tuple(spec.get("podCIDRs") or ())
    if not any(family_of(ip) is family for ip in ips):
        return None
    config = ProxyConfig(meta.name(node), ips, cidrs, world.service_cidrs, world.pod_cidrs)
    with contextlib.ExitStack() as stack:
        kernels = {f: stack.enter_context(contextlib.closing(FakeKernel())) for f in Family}
        program = Program(config, kernels)
        for obj in world.services:
            program.set_service(meta.key(obj), state.service(obj))
        for obj in world.slices:
            program.set_slice(meta.key(obj), state.endpoint_slice(obj))
        program.flush()
        return kernels[family].tables[family, config.table_name]


def ways(world: World, table: Table, source: str, target: str, proto: int, port: int, *, local: bool) -> list[Way]:
    """``local``: the packet is made by a process of the node itself. Equal ways are listed once."""
    packet = Packet(table.family, packed_ip(source), packed_ip(target), proto, port)
    moduli: list[int] = []

    def first(modulus: int) -> int:
        moduli.append(modulus)
        return 0

    def walk(choice: int) -> Outcome:
        tracer = Tracer(table, first if choice < 0 else lambda n: min(choice, n - 1), loops=lambda a: _inside(world, a))
        return tracer.output(packet) if local else tracer.prerouting(packet)

    out = {_way(walk(-1)): None}
    for choice in range(1, min(max(moduli, default=1), _MOST)):
        out[_way(walk(choice))] = None
    return list(out)


def _inside(world: World, address: bytes) -> bool:
    return inside(world.service_cidrs, str(ipaddress.ip_address(address)))


def _way(outcome: Outcome) -> Way:
    chains: dict[str, None] = {}
    for step in outcome.steps:
        chains[step.chain] = None
    packet = outcome.packet
    return Way(
        outcome.fate,
        str(ipaddress.ip_address(packet.dst)),
        packet.dport,
        str(ipaddress.ip_address(packet.src)),
        tuple(chains),
        outcome.dnat is not None,
    )


def protocol(number: int) -> str:
    """tcp, udp, sctp."""
    return _NAMES.get(number, str(number))
