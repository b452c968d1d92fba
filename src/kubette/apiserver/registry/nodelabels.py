"""Node labels that are deprecated, and where upstream warns of their use. Source: pkg/api/node/util.go. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

DEPRECATED = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}


def expressions(values: list[Object] | None, path: str) -> Iterator[str]:
    """Warnings for ``matchExpressions`` at ``path``."""
    for i, expression in enumerate(values or ()):
        key = expression.get("key") or ""
        if key in DEPRECATED:
            yield f"{path}[{i}].key: {key} is {DEPRECATED[key]}"


def label_selector(selector: Object | None, path: str) -> Iterator[str]:
    """Warnings for a LabelSelector over nodes."""
    selector = selector or {}
    yield from expressions(selector.get("matchExpressions"), f"{path}.matchExpressions")
    for key in selector.get("matchLabels") or {}:
        if key in DEPRECATED:
            yield f"{path}.matchLabels.{key}: {DEPRECATED[key]}"


def node_selector(selector: Object | None, path: str) -> Iterator[str]:
    """Warnings for a NodeSelector, such as a volume's required node affinity."""
    for i, term in enumerate((selector or {}).get("nodeSelectorTerms") or ()):
        yield from expressions(term.get("matchExpressions"), f"{path}.nodeSelectorTerms[{i}].matchExpressions")
