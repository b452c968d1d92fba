"""What a pod asks of its node: resources, host ports, labels. Pure; the scheduler and the node agent both ask it.

Amounts are integers: CPU in milli, everything else in units. Source:
https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/ and assign-pod-node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kubette.api import quantity
from kubette.api.selectors import Requirement

Obj = dict[str, Any]
Amounts = dict[str, int]
HostPort = tuple[str, str, int]

_DEFAULT_CPU, _DEFAULT_MEMORY = 100, 200 << 20  # what a container without requests counts when scoring
_ANY = ("0.0.0.0", "::")
_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}


def amounts(given: Mapping[str, Any] | None) -> Amounts:
    """A ResourceList in integers."""
    return {
        name: quantity.to_milli(str(text)) if name == "cpu" else quantity.to_int(str(text))
        for name, text in (given or {}).items()
    }


def container_requests(container: Obj) -> Amounts:
    resources = container.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise(total: Amounts, least: Amounts) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)


def pod_requests(spec: Obj) -> tuple[Amounts, tuple[int, int]]:
    """Containers and sidecars together, or the largest step of the init phase, plus overhead."""
    total: Amounts = {}
    usual = [0, 0]
    for container in spec.get("containers") or ():
        mine = container_requests(container)
        _add(total, mine)
        usual[0] += mine.get("cpu", _DEFAULT_CPU)
        usual[1] += mine.get("memory", _DEFAULT_MEMORY)
    sidecars: Amounts = {}
    largest: Amounts = {}
    for container in spec.get("initContainers") or ():
        step = container_requests(container)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, step)
            _raise(largest, sidecars)
        else:
            _add(step, sidecars)
            _raise(largest, step)
    _add(total, sidecars)
    _raise(total, largest)
    whole = spec.get("resources") or {}
    total.update(amounts({**(whole.get("limits") or {}), **(whole.get("requests") or {})}))
    _add(total, amounts(spec.get("overhead")))
    total["pods"] = 1
    return total, (max(usual[0], total.get("cpu", 0)), max(usual[1], total.get("memory", 0)))


def host_ports(spec: Obj) -> Iterable[HostPort]:
    """(host IP, protocol, port) of every port that the pod takes of its node."""
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") else 0)
            if number:
                yield port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), number


def ports_clash(a: HostPort, b: HostPort) -> bool:
    """Whether two pods cannot have both on one node."""
    return a[1:] == b[1:] and (a[0] == b[0] or a[0] in _ANY or b[0] in _ANY)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    operator = _OPERATORS.get(expression.get("operator", ""))
    if operator is None:
        return False
    return Requirement(expression["key"], operator, tuple(expression.get("values") or ())).matches(labels)


def term_matches(term: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> bool:
    """A NodeSelectorTerm, for the node of that name; one that says nothing matches nothing."""
    by_label, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not by_label and not by_field:
        return False
    return all(_holds(e, labels) for e in by_label) and all(_holds(e, {"metadata.name": name}) for e in by_field)


def node_suits(
    selector: Mapping[str, str], affinity: Mapping[str, Any], name: str, labels: Mapping[str, str]
) -> bool:
    """nodeSelector and the required part of ``nodeAffinity``."""
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not selector.items() <= labels.items():
        return False
    return required is None or any(term_matches(t, name, labels) for t in required.get("nodeSelectorTerms") or ())
