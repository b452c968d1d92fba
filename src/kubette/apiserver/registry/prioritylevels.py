"""PriorityLevelConfigurations. Source: pkg/apis/flowcontrol/{v1/defaults.go,validation}."""

from __future__ import annotations

import math
from typing import Any

from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.flowschemas import conditions

Object = dict[str, Any]
_QUEUING = {"handSize": 8, "queues": 64, "queueLengthLimit": 50}
_MOST_QUEUES, _HASH_BITS = 10_000_000, 60
_ROUND_TRIP = "flowcontrol.k8s.io/preserve-zero-concurrency-shares"


class PriorityLevels(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if (exempt := spec.get("exempt")) is not None:
            exempt.setdefault("nominalConcurrencyShares", 0)
            exempt.setdefault("lendablePercent", 0)
        if (limited := spec.get("limited")) is not None:
            limited.setdefault("nominalConcurrencyShares", 30)
            limited.setdefault("lendablePercent", 0)
            if (queuing := (limited.get("limitResponse") or {}).get("queuing")) is not None:
                for field, value in _QUEUING.items():
                    queuing[field] = queuing.get(field) or value

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec, meta = obj["spec"], obj["metadata"]
        out: list[FieldError] = []
        if _ROUND_TRIP in (meta.get("annotations") or {}):
            out.append(forbidden("metadata.annotations", f"annotation '{_ROUND_TRIP}' is forbidden"))
        kind, exempt, limited = spec.get("type") or "", spec.get("exempt"), spec.get("limited")
        if (meta.get("name") == "exempt") != (kind == "Exempt"):
            out.append(invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'"))
        if kind == "Exempt":
            if limited is not None:
                out.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
            out += _shares(exempt or {}, "spec.exempt")
        elif kind == "Limited":
            if exempt is not None:
                out.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
            if limited is None:
                out.append(required("spec.limited", "must not be empty when type is Limited"))
            else:
                out += _limited(limited, "spec.limited")
        else:
            out.append(unsupported("spec.type", kind, ("Exempt", "Limited")))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        status = conditions((new.get("status") or {}).get("conditions") or [])
        return status if ctx.subresource == "status" else self.validate(new, ctx) + status


def _shares(level: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    shares, lendable = level.get("nominalConcurrencyShares"), level.get("lendablePercent")
    if shares is not None and shares < 0:
        out.append(invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    if lendable is not None and not 0 <= lendable <= 100:
        out.append(invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive"))
    return out


def _limited(limited: Object, path: str) -> list[FieldError]:
    out = _shares(limited, path)
    out += _response(limited.get("limitResponse") or {}, f"{path}.limitResponse")
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        words = "if specified, must be a non-negative integer"
        out.append(invalid(f"{path}.borrowingLimitPercent", borrowing, words))
    return out


def _response(response: Object, path: str) -> list[FieldError]:
    kind, queuing = response.get("type") or "", response.get("queuing")
    if kind == "Reject":
        words = "must be nil if limited.limitResponse.type is not Limited"
        return [forbidden(f"{path}.queuing", words)] if queuing is not None else []
    if kind == "Queue":
        words = "must not be empty if limited.limitResponse.type is Limited"
        if queuing is None:
            return [required(f"{path}.queuing", words)]
        return _queuing(queuing, f"{path}.queuing")
    return [unsupported(f"{path}.type", kind, ("Queue", "Reject"))]


def _queuing(queuing: Object, path: str) -> list[FieldError]:
    length, queues, hand = (queuing.get(f) or 0 for f in ("queueLengthLimit", "queues", "handSize"))
    out = [] if length > 0 else [invalid(f"{path}.queueLengthLimit", length, "must be positive")]
    if queues <= 0:
        out.append(invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > _MOST_QUEUES:
        out.append(invalid(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}"))
    at = f"{path}.handSize"
    if hand <= 0:
        out.append(invalid(at, hand, "must be positive"))
    elif hand > queues:
        out.append(invalid(at, hand, f"should not be greater than queues ({queues})"))
    elif _entropy(queues, hand) > _HASH_BITS:
        words = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {_HASH_BITS}"
        )
        out.append(invalid(at, hand, words))
    return out


def _entropy(deck: int, hand: int) -> int:
    """The bits that shuffle sharding needs to deal ``hand`` cards of ``deck``."""
    return math.ceil(math.log2(deck) * hand)
