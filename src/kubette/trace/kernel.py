"""Whether a node's kernel holds the service table that the objects call for: the one place where it is read back.

Slots are compared without their numbers: which backend has which is the proxy's memory, not the objects'. What rules
add by themselves (affinity) is left out for the same reason.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator

from kubette.nft.errors import NftError
from kubette.nft.types import Elements, Field, Set, Table, Value

_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}


def differences(expected: Table, read: Callable[[Set], Elements]) -> list[str]:
    """One line for each element that is missing or too much; empty when the kernel is as it should be."""
    out: list[str] = []
    for spec in expected.sets.values():
        if spec.dynamic or "affinity" in spec.name:
            continue
        try:
            held = read(spec)
        except NftError as error:
            return [f"the node's kernel has no table {expected.name} as it should be: {error}"]
        want, have = Counter(_plain(spec, expected.elements[spec.name])), Counter(_plain(spec, held))
        out += [f"the kernel lacks {_text(spec, *row)} in {spec.name}" for row in want - have]
        out += [f"the kernel has {_text(spec, *row)} in {spec.name}, which no object calls for" for row in have - want]
    return out


def _plain(spec: Set, elements: Elements) -> Iterator[tuple[bytes, Value]]:
    slotted = spec.key[-1:] == (Field.MARK,)
    return ((key[:-4] if slotted else key, value) for key, value in elements.items())


def _text(spec: Set, key: bytes, value: Value) -> str:
    words = _fields(spec.key, key)
    if isinstance(value, bytes):
        return f"{words} : {_fields(spec.data, value)}" if value else words
    return f"{words} : {value}"


def _fields(fields: tuple[Field, ...], data: bytes) -> str:
    words, at = [], 0
    for f in fields:
        raw = data[at : at + f.size]
        at += (f.size + 3) & ~3
        if not raw:
            break  # a slot that was left out
        if f in (Field.IPV4_ADDR, Field.IPV6_ADDR):
            words.append(str(ipaddress.ip_address(raw)))
        elif f is Field.INET_PROTO:
            words.append(_PROTOCOLS.get(raw[0], str(raw[0])))
        else:
            words.append(str(int.from_bytes(raw, "big" if f is Field.INET_SERVICE else "little")))
    return " . ".join(words)
