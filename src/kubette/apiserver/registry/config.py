"""What the registry needs to know of its cluster: address ranges, node ports, how tokens are signed.

Process-wide, because strategies are: the server calls ``registry.configure`` once before it serves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a TokenRequest asks for, resolved against the objects it names."""

    namespace: str
    service_account: str
    uid: str
    audiences: tuple[str, ...]
    expiration_seconds: int
    bound_kind: str = ""  # "Pod", "Secret", "Node" or "": the object the token lives and dies with
    bound_name: str = ""
    bound_uid: str = ""
    node_name: str = ""  # of a bound pod, when it is scheduled
    node_uid: str = ""
    warn_after: int = 0  # seconds; 0, or when the client should have renewed a token that is good for longer


#: Signs a token; answers the JWT and its expiry (RFC 3339).
TokenSigner = Callable[[TokenClaims], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """``service_cidrs``: at most one an address family, the primary first; ``node_ports`` is inclusive."""

    service_cidrs: tuple[str, ...] = ("10.43.0.0/16",)
    node_ports: tuple[int, int] = (30000, 32767)
    api_audiences: tuple[str, ...] = ("https://kubernetes.default.svc.cluster.local",)
    sign_token: TokenSigner | None = None


_current = RegistryConfig()


def current() -> RegistryConfig:
    """The configuration in force."""
    return _current


def replace(config: RegistryConfig) -> None:
    """Put ``config`` in force; ``registry.configure`` is the public way."""
    global _current
    _current = config
