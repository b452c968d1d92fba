"""IntOrString: a number, a name or a percentage, as ports and rollout limits use it.

Pure. Source: ``k8s.io/apimachinery/pkg/util/intstr``.
"""

from __future__ import annotations

import re

IntOrString = int | str
_PERCENT = re.compile(r"[0-9]+%")


def is_percent(value: IntOrString) -> bool:
    return isinstance(value, str) and _PERCENT.fullmatch(value) is not None


def scaled(value: IntOrString, total: int, *, round_up: bool) -> int:
    """The number itself, or that percentage of ``total``. ValueError for any other string."""
    if isinstance(value, int):
        return value
    if not is_percent(value):
        raise ValueError("invalid value for IntOrString: invalid type: string is not a percentage")
    share = int(value[:-1]) * total
    return -(-share // 100) if round_up else share // 100


def parse(text: str) -> IntOrString:
    """``"80"`` is the number 80, anything else stays a string (upstream's ``intstr.Parse``)."""
    if re.fullmatch(r"[+-]?[0-9]+", text) and -(2**31) <= int(text) < 2**31:
        return int(text)
    return text
