"""How cells are worded: ages, folded lists, selectors. Shared by the ``columns_*`` modules; pure.

Source: ``k8s.io/apimachinery/pkg/util/duration`` and the helpers of upstream's printers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubette.api.meta import parse_time

Obj = Mapping[str, Any]
Cells = list[Any]


@dataclass(frozen=True, slots=True)
class Printer:
    """The columns of a kind and the cells of an object.

    ``columns``: names, split by ``|``; a leading ``*`` marks those of ``-o wide``, a trailing ``#`` integers and
    ``?`` booleans. ``cells(obj, now)`` gives one cell a column, the wide ones included."""

    columns: str
    cells: Callable[[Obj, datetime], Cells]


def name(obj: Obj) -> str:
    return str((obj.get("metadata") or {}).get("name") or "")


def spec(obj: Obj) -> Obj:
    return obj.get("spec") or {}


def status(obj: Obj) -> Obj:
    return obj.get("status") or {}


def age(obj: Obj, now: datetime) -> str:
    """The AGE column."""
    return since((obj.get("metadata") or {}).get("creationTimestamp"), now)


def since(timestamp: Any, now: datetime) -> str:
    """The time from ``timestamp`` (RFC 3339) to ``now`` in words, ``<unknown>`` without one."""
    if not timestamp:
        return "<unknown>"
    return human((now - parse_time(timestamp)).total_seconds())


def human(seconds: float) -> str:
    """``59s``, ``5m30s``, ``3h``, ``2d4h``, ``1y20d``: about three digits, as kubectl shows ages."""
    if seconds <= -2:
        return "<invalid>"
    total = max(0, int(seconds))
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def fold(items: Sequence[str], most: int = 3, *, empty: str = "") -> str:
    """``a,b,c + 2 more...``"""
    if len(items) > most:
        return f"{','.join(items[:most])} + {len(items) - most} more..."
    return ",".join(items) or empty


def join(items: Iterable[str], empty: str = "<none>", by: str = ",") -> str:
    return by.join(items) or empty


def labels(pairs: Mapping[str, str] | None) -> str:
    """``a=b,c=d``, sorted; ``<none>`` for none."""
    return join(f"{k}={v}" for k, v in sorted((pairs or {}).items()))


def label_selector(selector: Mapping[str, Any] | None, empty: str = "<none>") -> str:
    """A ``metav1.LabelSelector`` in the syntax of ``-l``, sorted by key."""
    selector = selector or {}
    terms = [(k, f"{k}={v}") for k, v in (selector.get("matchLabels") or {}).items()]
    for e in selector.get("matchExpressions") or ():
        key, values = e.get("key", ""), ",".join(sorted(e.get("values") or ()))
        form = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "DoesNotExist": f"!{key}"}
        terms.append((key, form.get(e.get("operator", ""), key)))
    return join((text for _, text in sorted(terms, key=lambda t: t[0])), empty)


def containers(template: Mapping[str, Any] | None) -> Cells:
    """Names and images of a pod template's containers, two cells."""
    listed = spec(template or {}).get("containers") or ()
    return [",".join(str(c.get(field, "")) for c in listed) for field in ("name", "image")]


def condition_is(obj: Obj, kind: str, value: str = "True") -> bool:
    return any(c.get("type") == kind and c.get("status") == value for c in status(obj).get("conditions") or ())


def deleting(obj: Obj) -> bool:
    return bool((obj.get("metadata") or {}).get("deletionTimestamp"))
