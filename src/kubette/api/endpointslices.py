"""An EndpointSlice narrowed to what its readers need: service proxy, DNS, ingress, trace, load-balancer addresses.

Shape: discovery.k8s.io/v1 EndpointSlice. Pure; what makes no sense in a slice is left out, never an error: a reader
must not stop for one odd object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from kubette.api.ip import BY_API_NAME, Family, family_of, is_ip

Name: TypeAlias = tuple[str, str]  # namespace, name
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint with its addresses of the slice's family. A missing ``ready`` counts as true, a missing ``serving``
    as ``ready``."""

    addresses: tuple[str, ...]
    node: str = ""
    hostname: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """``protocol`` in capitals. ``number`` 0: all ports."""

    name: str
    protocol: str
    number: int
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """``service``: the Service whose endpoints these are; ``headless``: its controller marked it so."""

    service: Name
    family: Family
    ports: tuple[Port, ...]
    endpoints: tuple[Endpoint, ...]
    headless: bool = False


def narrow(obj: Mapping[str, Any]) -> EndpointSlice | None:
    """None for a slice of no Service, and for addresses that are no IPs."""
    metadata = obj.get("metadata") or {}
    labels = metadata.get("labels") or {}
    service, family = labels.get(SERVICE_NAME), BY_API_NAME.get(obj.get("addressType") or "")
    if not service or family is None:
        return None
    return EndpointSlice(
        (metadata.get("namespace") or "", service),
        family,
        tuple(_ports(obj)),
        tuple(_endpoints(obj, family)),
        HEADLESS in labels,
    )


def _ports(obj: Mapping[str, Any]) -> Iterator[Port]:
    for row in obj.get("ports") or ():
        number = row.get("port") or 0
        if 0 <= number < 65536:
            yield Port(row.get("name") or "", row.get("protocol") or "TCP", number, row.get("appProtocol") or "")


def _endpoints(obj: Mapping[str, Any], family: Family) -> Iterator[Endpoint]:
    for row in obj.get("endpoints") or ():
        addresses = tuple(a for a in row.get("addresses") or () if is_ip(a) and family_of(a) is family)
        if addresses:
            conditions = row.get("conditions") or {}
            ready, serving = conditions.get("ready") is not False, conditions.get("serving")
            yield Endpoint(
                addresses,
                row.get("nodeName") or "",
                row.get("hostname") or "",
                ready,
                ready if serving is None else bool(serving),
                bool(conditions.get("terminating")),
            )
