"""The configuration of the controllers: what they know of their cluster beside the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ControllersConfig:
    """Networks are CIDRs, one or more a family; a pool is addresses, ``FROM-TO`` ranges or CIDRs."""

    root_ca: str = ""  # PEM, published to every namespace; empty: nothing is published
    #: The CA that approved CertificateSigningRequests are signed with; without it none is issued.
    signing_cert: Path | None = None
    signing_key: Path | None = None
    #: The key of ServiceAccount tokens; without it no Secret is filled with one.
    token_key: Path | None = None
    pod_cidrs: Sequence[str] = ("10.42.0.0/16",)
    node_mask_ipv4: int = 24
    node_mask_ipv6: int = 64
    load_balancer_pool: Sequence[str] = ()
    node_grace_seconds: float = 40.0  # without a sign of life, until a node counts as lost
    pod_gc_seconds: float = 20.0  # between looks for pods of nodes that no longer exist
    terminated_pods: int = 12_500  # finished pods kept
    #: Controllers not to run, by name.
    disabled: frozenset[str] = field(default_factory=frozenset)
