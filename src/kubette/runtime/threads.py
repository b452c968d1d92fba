"""Blocking work (mounts, unpacking, deleting) runs in threads, never on the event loop, and never half way.

A thread cannot be stopped. Who is cancelled while one works for him waits for its end, so that what undoes the work
never runs beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def in_thread(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call a blocking function in a thread. A cancellation is raised when the function has returned."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args))
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        work.exception()  # the cancellation takes precedence over a failure
        raise cancelled
    return work.result()
