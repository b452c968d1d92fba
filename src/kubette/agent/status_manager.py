"""Writes one pod's status to the API: the newest one, at once, never two at a time; then deletes the pod for good."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from kubette.agent import status
from kubette.agent.tasks import Tasks
from kubette.api import errors, meta
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.client.interface import Api

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
_TASK = "status"


class StatusManager:
    """``known``: the status that the server has, as far as this agent has seen."""

    def __init__(self, api: Api, pod: Object) -> None:
        self._api = api
        self._name, self._namespace, self._uid = meta.name(pod), meta.namespace(pod), meta.uid(pod)
        self._version = 0
        self.known: Mapping[str, Any] = {}
        self._wanted: Object | None = None
        self._newest: Object = {}  # of those that were set
        self._tasks = Tasks(f"pod {self._namespace}/{self._name}")
        self._idle = asyncio.Event()
        self._idle.set()
        self.learn(pod)

    def learn(self, pod: Object) -> None:
        """Take the server's object, from a watch or an answer, unless a newer one is known."""
        version = int(meta.resource_version(pod) or 0)
        if version >= self._version:
            self._version, self.known = version, pod.get("status") or {}

    def set_pod_status(self, new: Object) -> None:
        """Write this status, unless the server has it."""
        self._wanted = self._newest = new
        if self._tasks.running(_TASK):
            return
        if status.patch(self.known, new) is None:
            self._wanted = None
            return
        self._idle.clear()
        self._tasks.start(_TASK, self._write())

    @property
    def latest(self) -> Object:
        """What the next status is derived from."""
        return status.with_pending(self.known, self._newest)

    async def flush(self) -> None:
        """Wait until the status that was set is with the server."""
        await self._idle.wait()

    async def _write(self) -> None:
        try:
            while self._wanted is not None:
                wanted, self._wanted = self._wanted, None
                await self._write_once(wanted)
        finally:
            self._idle.set()

    async def _write_once(self, wanted: Object) -> None:
        change = status.patch(self.known, wanted)
        if change is None:
            return
        body = {"metadata": {"uid": self._uid}, "status": change}
        try:
            answer = await self._api.patch(
                resource("pods"), self._name, body, self._namespace, subresource="status", type="strategic"
            )
            self.learn(answer)
        except (errors.NotFound, errors.Conflict):  # the pod has gone; another one may have its name
            return
        except (errors.ServiceUnavailable, errors.Timeout, errors.TooManyRequests):
            self._wanted = self._wanted or wanted
            await asyncio.sleep(_RETRY_SECONDS)
        except errors.ApiError as error:
            if errors.other_uid(error):
                return
            log.warning("status of pod %s/%s refused: %s", self._namespace, self._name, error.message)

    async def delete(self) -> None:
        """The pod has gone from the node: delete it from the API."""
        while True:
            try:
                await self._api.delete(resource("pods"), self._name, self._namespace, uid=self._uid, grace_seconds=0)
                return
            except (errors.ServiceUnavailable, errors.Timeout, errors.TooManyRequests):
                await asyncio.sleep(_RETRY_SECONDS)
            except (errors.NotFound, errors.Conflict):
                return
            except errors.ApiError as error:
                log.warning("deletion of pod %s/%s refused: %s", self._namespace, self._name, error.message)
                return

    async def close(self) -> None:
        await self._tasks.close()
