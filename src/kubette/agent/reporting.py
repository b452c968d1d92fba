"""Sends one pod's status: the newest counts, at once, never two at a time; then the pod's final deletion."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from kubette.agent import status
from kubette.api import errors, meta
from kubette.api.kinds import resource
from kubette.client.interface import Api

Obj = dict[str, Any]

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5


class Reporter:
    """``known``: the status that the server has, as far as is known here."""

    def __init__(self, api: Api, pod: Obj) -> None:
        self._api = api
        self._name, self._namespace, self._uid = meta.name(pod), meta.namespace(pod), meta.uid(pod)
        self._version = 0
        self.known: Mapping[str, Any] = {}
        self._wanted: Obj | None = None
        self._task: asyncio.Task[None] | None = None
        self.learn(pod)

    def learn(self, pod: Obj) -> None:
        """The server's object, from a watch or an answer. What is older than what is known is ignored."""
        version = int(meta.resource_version(pod) or 0)
        if version >= self._version:
            self._version, self.known = version, pod.get("status") or {}

    def report(self, new: Obj) -> None:
        """Send this status unless the server has it."""
        self._wanted = new
        if self._task is None or self._task.done():
            if status.patch(self.known, new) is None:
                self._wanted = None
                return
            self._task = asyncio.create_task(self._send(), name=f"status-{self._namespace}/{self._name}")

    async def flush(self) -> None:
        """Until what was reported is with the server."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _send(self) -> None:
        while self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            change = status.patch(self.known, wanted)
            if change is None:
                continue
            body = {"metadata": {"uid": self._uid}, "status": change}
            try:
                answer = await self._api.patch(
                    resource("pods"), self._name, body, self._namespace, subresource="status", type="strategic"
                )
                self.learn(answer)
            except (errors.NotFound, errors.Conflict):  # another pod of that name, or none
                return
            except (errors.ServiceUnavailable, errors.Timeout, errors.TooManyRequests):
                self._wanted = self._wanted or wanted
                await asyncio.sleep(_RETRY_SECONDS)
            except errors.ApiError as error:
                log.warning("status of pod %s/%s refused: %s", self._namespace, self._name, error.message)
                return

    async def delete(self) -> None:
        """The pod's last step: it is gone from the node, so it may go from the API."""
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
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
