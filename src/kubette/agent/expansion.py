"""``$(VAR)`` in env values, command, args and subPathExpr. Pure.

Source: k8s.io/kubernetes/third_party/forked/golang/expansion: ``$$`` is a dollar, an unknown ``$(VAR)`` stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

_TOKEN = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, lookup: Callable[[str], str | None]) -> str:
    """``text`` with every known variable replaced by its value, once (values are not expanded again)."""

    def one(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        value = lookup(found[1])
        return found[0] if value is None else value

    return _TOKEN.sub(one, text)


def expand_all(texts: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(t, env.get) for t in texts)


def expand_strict(text: str, env: Mapping[str, str]) -> tuple[str, list[str]]:
    """As ``expand`` (for subPathExpr), and the names of the variables that are missing or empty."""
    missing: set[str] = set()

    def lookup(name: str) -> str:
        if not env.get(name):
            missing.add(name)
        return env.get(name, "")

    return expand(text, lookup), sorted(missing)
