"""Packaged add-ons: manifests that a cluster applies to itself at start, with its own addresses filled in.

One YAML file an add-on. ``${param}`` in it must be given, ``${param:-value}`` may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

_PARAM = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def manifests(names: Iterable[str], **params: str) -> list[dict[str, Any]]:
    """The objects of the add-ons ``names``, in the order in which they should be applied; parameters that a file
    does not mention are ignored. KeyError for a parameter that is missing; an add-on without a file has no objects."""
    import yaml

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        return params[name] if default is None else params.get(name, default)

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    out: list[dict[str, Any]] = []
    for name in names:
        file = files(__name__) / f"{name}.yaml"
        if file.is_file():
            text = _PARAM.sub(value, file.read_text())
            out += [document for document in yaml.load_all(text, Loader=loader) if document]
    return out
