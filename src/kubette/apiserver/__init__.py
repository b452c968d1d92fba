"""The API server: the only component that touches the datastore, and what all others are clients of.

``ServerConfig`` says where, ``run(config)`` serves. Imported lazily: most commands need neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubette.apiserver.config import ServerConfig
    from kubette.apiserver.server import run

__all__ = ["ServerConfig", "run"]


def __getattr__(name: str) -> Any:
    if name == "ServerConfig":
        from kubette.apiserver.config import ServerConfig

        return ServerConfig
    if name == "run":
        from kubette.apiserver.server import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
