"""Which level, of which version, a namespace's labels ask for in each mode. Pure.

Source: ``PolicyToEvaluate`` (k8s.io/pod-security-admission/api/helpers.go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kubette.api.errors import FieldError, invalid

PREFIX = "pod-security.kubernetes.io/"
PRIVILEGED, BASELINE, RESTRICTED = LEVELS = ("privileged", "baseline", "restricted")
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)", re.ASCII).fullmatch
#: A longer number is too large, and no more of it is read.
_MAX_INT64, _DIGITS = (1 << 63) - 1, 20


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """``minor``: the N of ``v1.N``, None for ``latest``."""

    level: str = PRIVILEGED
    minor: int | None = None

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor is None else f'v1.{self.minor}'}"

    def relaxes(self, other: LevelVersion) -> bool:
        """Whether everything that ``other`` allows is sure to be allowed here."""
        return self.level == PRIVILEGED or (self.minor == other.minor and strictness(self) <= strictness(other))


def strictness(asked: LevelVersion) -> int:
    return LEVELS.index(asked.level)


@dataclass(frozen=True, slots=True)
class Policy:
    enforce: LevelVersion = LevelVersion()
    audit: LevelVersion = LevelVersion()
    warn: LevelVersion = LevelVersion()


def parse(labels: Mapping[str, str]) -> tuple[Policy, list[FieldError]]:
    """The policy of a namespace, and what is wrong in its labels.

    A policy comes in any case. A wrong level enforces ``restricted`` and neither audits nor warns; a wrong version
    is ``latest``. A namespace that does not say when to warn warns of what it enforces.
    """
    modes: dict[str, LevelVersion] = {}
    errors: list[FieldError] = []
    for mode in ("enforce", "audit", "warn"):
        asked = LevelVersion()
        key = f"{PREFIX}{mode}"
        if (level := labels.get(key)) is not None:
            if level in LEVELS:
                asked = replace(asked, level=level)
            else:
                errors.append(invalid(f"metadata.labels[{key}]", level, f"must be one of {', '.join(LEVELS)}"))
                asked = replace(asked, level=RESTRICTED if mode == "enforce" else PRIVILEGED)
        key = f"{PREFIX}{mode}-version"
        if (version := labels.get(key)) is not None and version != "latest":
            if (match := _VERSION(version)) and (minor := int(match[1][:_DIGITS])) <= _MAX_INT64:
                asked = replace(asked, minor=minor)
            else:
                errors.append(invalid(f"metadata.labels[{key}]", version, 'must be "latest" or "v1.x"'))
        modes[mode] = asked
    enforce, warn = modes["enforce"], modes["warn"]
    says = f"{PREFIX}warn" in labels or labels.get(f"{PREFIX}enforce") not in LEVELS
    if not says and strictness(enforce) > strictness(warn):
        warn = replace(warn, level=enforce.level) if f"{PREFIX}warn-version" in labels else enforce
    return Policy(enforce, modes["audit"], warn), errors
