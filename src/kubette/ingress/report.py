"""What an Ingress's owner sees: the address in its status, and a Warning event for what cannot be served.

A problem is reported once, when it has lasted a second: manifests applied together arrive one after another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from kubette.api import errors
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.client.events import Recorder
from kubette.client.interface import Api
from kubette.ingress.model import Ingress, Name
from kubette.ingress.routing import Problem
from kubette.ingress.state import State

log = logging.getLogger(__name__)

_LASTING = 1.0  # seconds until a problem is reported
_RETRY = 1.0


def due(ingresses: Iterable[Ingress], addresses: list[Object] | None) -> list[Name]:
    """The Ingresses whose status differs from ``addresses``; none when these are unknown."""
    if addresses is None:
        return []
    return [i.name for i in ingresses if [dict(row) for row in i.status] != addresses]


class Reporter:
    """Statuses and events of one controller."""

    def __init__(self, api: Api, state: State, recorder: Recorder) -> None:
        self._api = api
        self._state = state
        self._recorder = recorder
        self._problems: dict[Problem, asyncio.TimerHandle] = {}

    def problems(self, present: Iterable[Problem]) -> None:
        """Replace all problems: report the new ones, forget the others."""
        now = set(present)
        for over in self._problems.keys() - now:
            self._problems.pop(over).cancel()
        later = asyncio.get_running_loop().call_later
        for new in sorted(now - self._problems.keys(), key=lambda p: (p.ingress, p.message)):
            self._problems[new] = later(_LASTING, self._report, new)

    def _report(self, problem: Problem) -> None:
        log.warning("ingress %s: %s", "/".join(problem.ingress), problem.message)
        if reference := self._state.reference(problem.ingress):
            self._recorder.event(reference, "Warning", problem.reason, problem.message)

    async def statuses(self) -> None:
        """Keep them right; until cancelled."""
        kind = resource("ingresses.networking.k8s.io")
        while True:
            await self._state.status_changed.wait()
            self._state.status_changed.clear()
            addresses = self._state.addresses()
            failed = False
            for namespace, name in due(self._state.served(), addresses):
                status = {"status": {"loadBalancer": {"ingress": addresses}}}
                try:
                    await self._api.patch(kind, name, status, namespace, subresource="status")
                except errors.NotFound:
                    pass
                except errors.ApiError as error:
                    log.warning("status of ingress %s/%s: %s", namespace, name, error.message)
                    failed = True
            if failed:
                await asyncio.sleep(_RETRY)
                self._state.status_changed.set()

    async def close(self) -> None:
        for timer in self._problems.values():
            timer.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._recorder.flush(), 1)
        await self._recorder.close()
