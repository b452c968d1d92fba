"""Keeps links, addresses and routes as ``nft.live`` keeps tables: configured again whenever others take some away.

Level-triggered: an act makes the kernel so, whatever is there, and does nothing where nothing is missing. Acts run in a
thread, one after another, because netlink libraries block.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TypeAlias

from kubette.network.disturbance import Disturbance

log = logging.getLogger(__name__)
_FIRST_RETRY, _LAST_RETRY = 0.2, 5.0  # seconds

Acts: TypeAlias = Mapping[str, Callable[[], None]]  # by what they keep, for the log


async def keep(acts: Acts, disturbance: Disturbance, changed: asyncio.Event | None = None) -> None:
    """Until cancelled: run the acts now, when ``changed`` is set, and when something may have been taken away.

    An act that fails is tried again, and holds up no other."""
    changed = changed or asyncio.Event()
    changed.set()
    loop = asyncio.get_running_loop()
    loop.add_reader(disturbance.fileno(), lambda: changed.set() if disturbance.read() else None)
    said: dict[str, str] = {}
    delay = _FIRST_RETRY
    try:
        while True:
            try:
                async with asyncio.timeout(delay if said else None):
                    await changed.wait()
            except TimeoutError:
                delay = min(delay * 2, _LAST_RETRY)
            changed.clear()
            failed = await asyncio.to_thread(_run, acts)
            for what, why in failed.items():
                if said.get(what) != why:
                    log.warning("%s: %s; trying again", what, why)
            if not failed:
                delay = _FIRST_RETRY
            said = failed
    finally:
        loop.remove_reader(disturbance.fileno())


def _run(acts: Acts) -> dict[str, str]:
    """Run each act; those that failed, and why."""
    failed: dict[str, str] = {}
    for what, act in acts.items():
        try:
            act()
        except Exception as error:
            failed[what] = str(error) or type(error).__name__
    return failed
