"""YAML in request bodies: what JSON has, and nothing more of YAML.

libyaml reads the text into nodes; the values are made here, because a body comes from anybody: what aliases
multiply is counted against a budget (a few hundred bytes can otherwise stand for gigabytes), no tag makes
anything but plain data, times stay the text that they are, and keys become strings. Pure.
"""

from __future__ import annotations

from functools import cache
from math import isfinite
from typing import Any

import yaml

#: Values that aliases may add to those that are written out; upstream's parser bounds their ratio.
ALIASED = 100_000
_SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")}
_MERGE = "tag:yaml.org,2002:merge"


def parse(body: bytes) -> tuple[Any, list[str]]:
    """The value of the one document in ``body``, and the paths of keys that occur twice in a mapping.

    Raises ValueError for anything else than YAML that JSON can say."""
    loader = _loader()(body)
    try:
        root = loader.get_single_node()
        reader = _Reader(loader)
        value = None if root is None else reader.value(root, "")
    except yaml.YAMLError as e:
        raise ValueError(" ".join(str(e).split())) from e
    except RecursionError as e:
        raise ValueError("exceeded max depth") from e
    finally:
        loader.dispose()
    return value, reader.duplicates


@cache
def _loader() -> Any:
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [(tag, pattern) for tag, pattern in entries if tag != "tag:yaml.org,2002:timestamp"]
        for first, entries in base.yaml_implicit_resolvers.items()
    }
    return type("JsonLoader", (base,), {"yaml_implicit_resolvers": resolvers})


class _Reader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._seen: set[int] = set()  # nodes read: who comes again does so by an alias
        self._open: set[int] = set()  # nodes being read
        self._left = ALIASED
        self.duplicates: list[str] = []

    def value(self, node: yaml.Node, path: str) -> Any:
        if id(node) in self._open:
            raise ValueError(f"line {node.start_mark.line + 1}: an anchor contains itself")
        if id(node) in self._seen:
            # Whatever lies below an alias is met again, too, and counted where it is met.
            self._left -= 1
            if self._left < 0:
                raise ValueError("document contains excessive aliasing")
        self._seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, f"{path}[{i}]") for i, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, path: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                below = self.value(value_node, path)
                for source in reversed(below if isinstance(below, list) else [below]):
                    if not isinstance(source, dict):
                        raise ValueError("map merge requires map or sequence of maps as the value")
                    merged |= source
                continue
            key = self._key(key_node)
            below_path = f"{path}.{key}" if path else key
            if key in out:
                self.duplicates.append(below_path)
            out[key] = self.value(value_node, below_path)
        return merged | out if merged else out

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise ValueError(f"line {node.start_mark.line + 1}: invalid map key")
        key = self._scalar(node)
        if isinstance(key, bool) or key is None:
            return {True: "true", False: "false", None: "null"}[key]
        return str(key)

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag not in _SCALARS:
            return str(node.value)
        try:
            value = self._loader.construct_object(node)
        except (ValueError, KeyError) as e:  # a tag that is given, for a text that is none
            raise ValueError(f"line {node.start_mark.line + 1}: cannot decode {node.value!r}") from e
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"line {node.start_mark.line + 1}: JSON has no {node.value}")
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
            return float(value)
        return value
