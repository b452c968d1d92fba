"""ServiceCIDRs: the ranges that Services take their addresses from. Source: networking/validation."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import addresses, checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_PATH = "spec.cidrs"


class ServiceCIDRs(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return _ranges(_cidrs(obj), obj.get("spec"))

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """A range stays; a second one, of the other family, may be added."""
        if ctx.subresource == "status":
            return []
        now, before = _cidrs(new), _cidrs(old)
        added = len(before) == 1 and len(now) == 2
        if not added and len(now) != len(before):
            return [invalid(_PATH, now, checks.IMMUTABLE)]
        pairs = enumerate(zip(now, before, strict=False))
        out = [invalid(f"{_PATH}[{i}]", is_, checks.IMMUTABLE) for i, (is_, was) in pairs if is_ != was]
        return out + (_ranges(now, new.get("spec")) if added else [])


def _cidrs(obj: Object) -> list[str]:
    return (obj.get("spec") or {}).get("cidrs") or []


def _ranges(cidrs: list[str], spec: Object | None) -> list[FieldError]:
    if not cidrs:
        return [required(_PATH, "at least one CIDR required")]
    if len(cidrs) > 2:
        return [invalid(_PATH, spec, "may only hold up to 2 values")]
    out = [e for i, cidr in enumerate(cidrs) for e in checks.named(names.canonical_cidr, f"{_PATH}[{i}]", cidr)]
    known = [n.version for cidr in cidrs if (n := addresses.subnet(cidr))]
    if len(known) == 2 and known[0] == known[1]:
        words = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        out.append(invalid(_PATH, cidrs, words))
    return out
