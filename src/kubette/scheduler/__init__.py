"""The scheduler: gives every pod a node, and says why when there is none. Cheap to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubette.scheduler.config import SchedulerConfig

if TYPE_CHECKING:
    from kubette.client.interface import Api

__all__ = ["SchedulerConfig", "run"]


async def run(client: Api, config: SchedulerConfig) -> None:
    """Schedule until cancelled. ``client`` is an open client."""
    from kubette.scheduler.loop import Scheduler

    await Scheduler(client, config).run()
