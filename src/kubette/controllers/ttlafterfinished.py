"""Deletes Jobs a while after they have finished, if they say so (``spec.ttlSecondsAfterFinished``).

Source: https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/.
"""

from __future__ import annotations

from datetime import datetime

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.writes import Delete


def left(job: Object, now: datetime) -> float | None:
    """Seconds until the Job is to go; None: it stays."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    ends = [c for t in ("Complete", "Failed") if (c := meta.condition(job, t)) is not None and c["status"] == "True"]
    if ttl is None or not ends or not ends[0].get("lastTransitionTime") or meta.deleting(job):
        return None  # a Job that does not say when it finished stays, as upstream has it
    return float(ttl - (now - meta.parse_time(ends[0]["lastTransitionTime"])).total_seconds())


class TtlAfterFinished(Controller[Key]):
    name = "ttl-after-finished-controller"

    def watch(self) -> None:
        self.jobs = self.cluster.informer("jobs.batch")
        self.jobs.subscribe(lambda key, old, new: self.queue.add(key))

    async def reconcile(self, key: Key) -> float | None:
        job = self.jobs.items.get(key)
        if job is None or (seconds := left(job, self.cluster.now())) is None:
            return None
        if seconds <= 0:
            await self.carry_out([Delete(kind("jobs.batch"), job, propagation="Foreground")])
            return None
        return seconds
