"""Events go an hour after they were last written (upstream: ``--event-ttl``, 1h).

Age is told by revisions, so that no object need be decoded: what was the newest revision an hour ago is the
oldest that may stay. After a restart the hour begins anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from kubette.api.errors import ApiError
from kubette.api.kinds import resource
from kubette.apiserver import bootstrap, writes
from kubette.apiserver.objects import Objects

SECONDS = 3600.0
_log = logging.getLogger(__name__)
_EVERY = 60.0
_EVENTS = "events"


class Expiry:
    """``tick`` now and then removes what is due."""

    def __init__(self, objects: Objects, clock: Callable[[], float] = time.monotonic) -> None:
        self._objects, self._clock = objects, clock
        self._marks: deque[tuple[float, int]] = deque()

    async def tick(self) -> int:
        """How many were removed."""
        now, store, kind = self._clock(), self._objects.store, resource(_EVENTS)
        self._marks.append((now, store.rev))
        limit = 0
        while self._marks and now - self._marks[0][0] >= SECONDS:
            limit = self._marks.popleft()[1]
        if not limit:
            return 0
        ctx = bootstrap.context(self._objects)
        gone = []
        for (namespace, name), entry in store.items(_EVENTS):
            head = store.head(_EVENTS, namespace, name)
            if entry.rev <= limit and head is not None and head.rev == entry.rev:
                gone.append(writes.remove(self._objects, kind, self._objects.load(entry), ctx))
        for written in gone:
            await written.finish()
        return len(gone)


async def run(objects: Objects) -> None:
    """Until cancelled."""
    expiry = Expiry(objects)
    while True:
        try:
            await expiry.tick()
        except ApiError as e:  # a full disk: the next turn tries again
            _log.warning("removing old events: %s", e)
        await asyncio.sleep(_EVERY)
