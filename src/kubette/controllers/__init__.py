"""Controllers: each maps what is and what should be to a list of API writes. One file each, one slot.

Importing this package is cheap; the controllers themselves are imported when they run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubette.controllers.config import ControllersConfig

if TYPE_CHECKING:
    from kubette.client.interface import Api

__all__ = ["ControllersConfig", "run"]


async def run(client: Api, config: ControllersConfig) -> None:
    """Run every controller until cancelled. ``client`` is an open client; see ``table`` for the list."""
    from kubette.controllers.manager import run as run_all

    await run_all(client, config)
