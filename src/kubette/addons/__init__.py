"""Packaged add-ons: manifests that a cluster applies to itself at start, with its own addresses filled in."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from string import Template
from typing import Any


def manifests(names: Iterable[str], **params: str) -> list[dict[str, Any]]:
    """The objects of the add-ons ``names`` in order; ``${param}`` in them is replaced. KeyError for an unknown one."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    out: list[dict[str, Any]] = []
    for name in names:
        file = files(__name__) / f"{name}.yaml"
        if not file.is_file():
            continue
        text = Template(file.read_text()).substitute(params)
        out += [document for document in yaml.load_all(text, Loader=loader) if document]
    return out
