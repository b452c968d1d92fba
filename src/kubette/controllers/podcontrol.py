"""Creating and deleting the pods of a workload: in batches, with expectations and events, for every workload
controller (kube-controller-manager's ``PodControlInterface`` and ``slowStartBatch``).

Pods are created in batches of 1, 2, 4, …, so that what refuses one pod does not have to refuse hundreds. Until the
informer has shown what was written, ``satisfied`` is false and the controller must not count again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from kubette.api import errors, meta
from kubette.api.meta import Object
from kubette.client.events import Recorder
from kubette.controllers.base import Cluster, Key, kind
from kubette.controllers.expectations import Expectations
from kubette.controllers.writes import Delete, apply

_PARALLEL = 32  # requests of one pass under way at once


class PodControl:
    """For one controller. Keys are those of its owners."""

    def __init__(self, cluster: Cluster, recorder: Recorder) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._expected = Expectations()

    def satisfied(self, key: Key) -> bool:
        """Whether the informer has shown all that was written for ``key``."""
        return self._expected.satisfied(key)

    def forget(self, key: Key) -> None:
        """The owner has gone, or is another object."""
        self._expected.forget(key)

    def pod_added(self, key: Key) -> None:
        """The informer shows a new pod of the owner."""
        self._expected.created(key)

    def pod_deleted(self, key: Key, pod: Object) -> None:
        """The informer shows that a pod of the owner is being deleted, or has gone."""
        self._expected.deleted(key, meta.uid(pod))

    async def create(self, key: Key, owner: Object, pods: Sequence[Object]) -> errors.ApiError | None:
        """Create ``pods``; the last refusal, after whose batch no further pod is asked for."""
        self._expected.expect_creations(key, len(pods))
        sent, size, refused = 0, 1, None
        try:
            while sent < len(pods) and refused is None:
                batch = pods[sent : sent + size]
                results = await _in_parallel([lambda p=pod: self._create(key, owner, p) for pod in batch])  # type: ignore[misc]
                refused = next((error for error in reversed(results) if error), None)
                sent, size = sent + len(batch), size * 2
        finally:
            self._expected.created(key, len(pods) - sent)  # those never asked for
        return refused

    async def delete(self, key: Key, owner: Object, pods: Sequence[Object]) -> errors.ApiError | None:
        """Delete ``pods``; the last refusal."""
        for pod in pods:
            self._expected.expect_deletion(key, meta.uid(pod))
        results = await _in_parallel([lambda p=pod: self._delete(key, owner, p) for pod in pods])  # type: ignore[misc]
        return next((error for error in reversed(results) if error), None)

    async def _create(self, key: Key, owner: Object, pod: Object) -> errors.ApiError | None:
        try:
            made = await self._cluster.api.create(kind("pods"), pod)
        except errors.ApiError as error:
            self._expected.created(key)
            if not _namespace_terminates(error):
                self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            return error
        self._cluster.learn(kind("pods"), made)
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {meta.name(made)}")
        return None

    async def _delete(self, key: Key, owner: Object, pod: Object) -> errors.ApiError | None:
        try:
            gone = await apply(self._cluster.api, Delete(kind("pods"), pod)) is None
        except errors.ApiError as error:
            self._expected.deleted(key, meta.uid(pod))
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            return error
        if gone:
            self._expected.deleted(key, meta.uid(pod))
        else:
            self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name(pod)}")
        return None


Work = Callable[[], Coroutine[Any, Any, errors.ApiError | None]]


async def _in_parallel(work: Sequence[Work]) -> list[errors.ApiError | None]:
    """Run all, a limited number at once; results in order. Failures of the code itself are raised."""
    if len(work) == 1:
        return [await work[0]()]
    slots = asyncio.Semaphore(_PARALLEL)

    async def one(item: Work) -> errors.ApiError | None:
        async with slots:
            return await item()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item), name="pod-write") for item in work]
    return [task.result() for task in tasks]


def _namespace_terminates(error: errors.ApiError) -> bool:
    causes = (error.details or {}).get("causes") or ()
    return any(c.get("reason") == "NamespaceTerminating" for c in causes)
