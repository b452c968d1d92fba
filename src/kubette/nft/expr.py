"""The expressions that rules are made of, as the kernel's virtual machine knows them.

Sixteen 32-bit registers (``reg`` 0..15) and a verdict. A value occupies as many consecutive registers as
it is long, padded with zero bytes, so consecutive loads form the concatenated key of a set. Every rule loads what it
reads: recent kernels refuse a rule that leans on registers of another rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias


class Family(IntEnum):
    """Address family, which is also the table's family (NFPROTO_*)."""

    IPV4 = 2
    IPV6 = 10

    @property
    def size(self) -> int:
        """Bytes of an address."""
        return 4 if self is Family.IPV4 else 16

    @property
    def words(self) -> int:
        """Registers of an address."""
        return self.size // 4

    @property
    def keyword(self) -> str:
        """The word nft uses for it."""
        return "ip" if self is Family.IPV4 else "ip6"


class Code(IntEnum):
    """Verdict codes (NF_*, NFT_*)."""

    DROP = 0
    ACCEPT = 1
    JUMP = -3
    GOTO = -4
    RETURN = -5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a packet; ``chain`` only for JUMP and GOTO."""

    code: Code
    chain: str = ""

    def __str__(self) -> str:
        return f"{self.code.name.lower()} {self.chain}".strip()


DROP = Verdict(Code.DROP)
ACCEPT = Verdict(Code.ACCEPT)
RETURN = Verdict(Code.RETURN)


def jump(chain: str) -> Verdict:
    """Go on in a chain and come back."""
    return Verdict(Code.JUMP, chain)


def goto(chain: str) -> Verdict:
    """Go on in a chain for good."""
    return Verdict(Code.GOTO, chain)


class Base(IntEnum):
    """Where a payload offset counts from."""

    NETWORK = 1
    TRANSPORT = 2


class MetaKey(IntEnum):
    """NFT_META_*."""

    MARK = 3
    IIFNAME = 6  # 16 bytes, padded with NUL
    OIFNAME = 7
    L4PROTO = 16


@dataclass(frozen=True, slots=True)
class Payload:
    """Load packet bytes."""

    reg: int
    base: Base
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Meta:
    """Load what the kernel knows about the packet."""

    reg: int
    key: MetaKey


@dataclass(frozen=True, slots=True)
class CtState:
    """Load the connection's state bits (host byte order): invalid 1, established 2, related 4, new 8."""

    reg: int


@dataclass(frozen=True, slots=True)
class MetaSet:
    """Write the packet's mark from a register."""

    reg: int
    key: MetaKey


@dataclass(frozen=True, slots=True)
class Immediate:
    """Load a constant."""

    reg: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Judge:
    """Set the verdict."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Cmp:
    """Go on with the rule only when the register equals (or not) the data."""

    reg: int
    data: bytes
    equal: bool = True


@dataclass(frozen=True, slots=True)
class Bitwise:
    """``reg = (reg & mask) ^ xor``."""

    reg: int
    mask: bytes
    xor: bytes


@dataclass(frozen=True, slots=True)
class Numgen:
    """Load a random number below ``modulus`` (host byte order)."""

    reg: int
    modulus: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """Go on only when the key starting at ``reg`` is in the set (or not, when inverted)."""

    set: str
    reg: int
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class MapLookup:
    """Look the key at ``reg`` up and load its value at ``dest``; a miss ends the rule."""

    map: str
    reg: int
    dest: int


@dataclass(frozen=True, slots=True)
class VerdictLookup:
    """Look the key at ``reg`` up and take its value for the verdict; a miss ends the rule."""

    map: str
    reg: int


class DynOp(IntEnum):
    """NFT_DYNSET_OP_*."""

    ADD = 0
    UPDATE = 1
    DELETE = 2


@dataclass(frozen=True, slots=True)
class Dynset:
    """Change a dynamic map from the packet path. UPDATE renews the expiry, and keeps a value that is there."""

    map: str
    op: DynOp
    reg_key: int
    reg_data: int
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True)
class Nat:
    """Rewrite destination or source to the address (and port) in registers."""

    family: Family
    reg_addr: int
    reg_port: int | None = None
    source: bool = False


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Rewrite the source to the address of the interface that the packet leaves by."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Drop and answer: a TCP reset, or ICMP port unreachable."""

    family: Family
    tcp_reset: bool


Expr: TypeAlias = (
    Payload | Meta | CtState | MetaSet | Immediate | Judge | Cmp | Bitwise | Numgen
    | Lookup | MapLookup | VerdictLookup | Dynset | Nat | Masquerade | Reject
)
Rule: TypeAlias = tuple[Expr, ...]


def saddr(family: Family, reg: int) -> Payload:
    """Load the source address."""
    return Payload(reg, Base.NETWORK, 12 if family is Family.IPV4 else 8, family.size)


def daddr(family: Family, reg: int) -> Payload:
    """Load the destination address."""
    return Payload(reg, Base.NETWORK, 16 if family is Family.IPV4 else 24, family.size)


def dport(reg: int) -> Payload:
    """Load the destination port (TCP, UDP and SCTP have it at the same place)."""
    return Payload(reg, Base.TRANSPORT, 2, 2)


def l4proto(reg: int) -> Meta:
    """Load the IP protocol number."""
    return Meta(reg, MetaKey.L4PROTO)
