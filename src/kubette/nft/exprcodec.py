"""Expressions as netlink attributes (NFTA_*)."""

from __future__ import annotations

import struct

from kubette.nft import expr as e
from kubette.nft.nla import be32, be64, nest, nla, text

_REG32 = 8  # NFT_REG32_00
_ICMP_PORT_UNREACHABLE = {e.Family.IPV4: 3, e.Family.IPV6: 4}


def _reg(kind: int, reg: int) -> bytes:
    return be32(kind, _REG32 + reg)


def _data(kind: int, value: bytes) -> bytes:
    return nest(kind, nla(1, value))


def encode_rule(rule: e.Rule) -> bytes:
    """The list of a rule's expressions."""
    return b"".join(nest(1, text(1, name) + nest(2, body)) for name, body in map(encode_expr, rule))


def encode_expr(x: e.Expr) -> tuple[str, bytes]:
    """The kernel's name for an expression, and its attributes."""
    match x:
        case e.Payload(reg, base, offset, size):
            return "payload", _reg(1, reg) + be32(2, base) + be32(3, offset) + be32(4, size)
        case e.Meta(reg, key):
            return "meta", _reg(1, reg) + be32(2, key)
        case e.CtState(reg):
            return "ct", _reg(1, reg) + be32(2, 0)
        case e.MetaSet(reg, key):
            return "meta", be32(2, key) + _reg(3, reg)
        case e.Immediate(reg, data):
            return "immediate", _reg(1, reg) + _data(2, data)
        case e.Judge(verdict):
            body = nla(1, struct.pack(">i", verdict.code))
            if verdict.chain:
                body += text(2, verdict.chain)
            return "immediate", be32(1, 0) + nest(2, nest(2, body))
        case e.Cmp(reg, data, equal):
            return "cmp", _reg(1, reg) + be32(2, 0 if equal else 1) + _data(3, data)
        case e.Bitwise(reg, mask, xor):
            sizes = _reg(1, reg) + _reg(2, reg) + be32(3, len(mask))
            return "bitwise", sizes + _data(4, mask) + _data(5, xor)
        case e.Numgen(reg, modulus):
            return "numgen", _reg(1, reg) + be32(2, modulus) + be32(3, 1) + be32(4, 0)
        case e.Lookup(name, reg, inverted):
            return "lookup", text(1, name) + _reg(2, reg) + be32(5, int(inverted))
        case e.MapLookup(name, reg, dest):
            return "lookup", text(1, name) + _reg(2, reg) + _reg(3, dest)
        case e.VerdictLookup(name, reg):
            return "lookup", text(1, name) + _reg(2, reg) + be32(3, 0)
        case e.Dynset(name, op, reg_key, reg_data, timeout):
            body = text(1, name) + be32(3, op) + _reg(4, reg_key) + _reg(5, reg_data)
            return "dynset", body + (be64(6, timeout) if timeout else b"")
        case e.Nat(family, reg_addr, reg_port, source):
            body = be32(1, 0 if source else 1) + be32(2, family) + _reg(3, reg_addr)
            return "nat", body + (_reg(5, reg_port) if reg_port is not None else b"")
        case e.Masquerade():
            return "masq", b""
        case e.Reject(family, tcp_reset):
            if tcp_reset:
                return "reject", be32(1, 1) + nla(2, b"\0")
            return "reject", be32(1, 0) + nla(2, bytes((_ICMP_PORT_UNREACHABLE[family],)))
