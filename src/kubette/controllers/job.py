"""Jobs: pods that are to end, so many at a time, until so many have ended well. What to do is decided in ``jobplan``.

Pods keep a finalizer until they have been counted; it is taken from those too whose Job is gone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from kubette.api import meta
from kubette.api.kinds import Kind
from kubette.api.meta import Object
from kubette.api.selectors import from_label_selector
from kubette.controllers import pods as podlib
from kubette.controllers.adoption import claim
from kubette.controllers.base import Controller, Index, Key, by_controller, kind
from kubette.controllers.jobindexes import INDEX, index_of
from kubette.controllers.jobplan import FAILURES, FINALIZER, JobPlan, decide, failure_count, tracked
from kubette.controllers.podcontrol import PodControl
from kubette.controllers.replicas import new_pod
from kubette.controllers.writes import Patch, apply, status_patch

_NAME = "batch.kubernetes.io/job-name"  # label
_MANAGER = "kubernetes.io/job-controller"
_REFUSED = 1.0  # seconds until what was refused is tried again


def job_pod(job: Object, index: int | None, failures: int) -> Object:
    """The next pod of the Job. ``failures``: how often its index has failed."""
    pod = new_pod(job)
    m = pod["metadata"]
    m["finalizers"] = [*m.get("finalizers", ()), FINALIZER]
    if index is None:
        return pod
    base = f"{meta.name(job)}-{index}"
    m["generateName"] = base + "-"
    m.setdefault("annotations", {})[INDEX] = str(index)
    m.setdefault("labels", {})[INDEX] = str(index)
    if job["spec"].get("backoffLimitPerIndex") is not None:
        m["annotations"][FAILURES] = str(failures)
    spec = pod["spec"]
    spec.setdefault("hostname", base)
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}},
    }
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        if all(env["name"] != variable["name"] for env in container.get("env") or ()):
            container["env"] = [*(container.get("env") or ()), copy.deepcopy(variable)]
    return pod


class Job(Controller[Key]):
    name = "job-controller"

    def watch(self) -> None:
        self.kind: Kind = kind("jobs.batch")
        self.pod_control = PodControl(self.cluster, self.recorder)
        self.jobs, pods = self.cluster.informer("jobs.batch"), self.cluster.informer("pods")
        self.pods, self.tracked = Index(pods, by_controller), Index(pods, _tracked_for)
        self.jobs.subscribe(self._job_changed)
        pods.subscribe(self._pod_changed)

    def _job_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is None or (old is not None and meta.uid(old) != meta.uid(new)):
            self.pod_control.forget(key)
        self.queue.add(key)

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            owner = _job_of(pod) if pod is not None else None
            if pod is None or owner is None:
                continue
            if pod is new and old is None:
                self.pod_control.pod_added(owner)
            if new is None or meta.deleting(new):
                self.pod_control.pod_deleted(owner, pod)
            self.queue.add(owner)

    async def reconcile(self, key: Key) -> float | None:
        await self._free_strays(key)
        job = self.jobs.items.get(key)
        if job is None or meta.deleting(job) or job["spec"].get("managedBy", _MANAGER) != _MANAGER:
            return None
        caught_up = self.pod_control.satisfied(key)
        claimed = claim(kind("pods"), job, from_label_selector(job["spec"]["selector"]), self._pods(job))
        for patch in [*claimed.release, *claimed.adopt]:
            await apply(self.api, patch)
        now = self.cluster.now()
        plan = decide(job, claimed.owned, now)
        await self._store(job, plan)
        for pod in plan.release:
            await self._drop_finalizer(pod)
        if not caught_up:
            return plan.again
        for pod in plan.drop:
            await self._drop_finalizer(pod)
        if refused := await self.pod_control.delete(key, job, [*plan.drop, *plan.delete]):
            raise refused
        pods = [job_pod(job, index, _failures(claimed.owned, index)) for index in plan.create]
        return _REFUSED if await self.pod_control.create(key, job, pods) else plan.again

    def _pods(self, job: Object) -> list[Object]:
        return self.pods.get(meta.uid(job)) + self.pods.get(meta.namespace(job) + "/")

    async def _store(self, job: Object, plan: JobPlan) -> None:
        """The status first: nothing that follows may happen before it is on record. A stale view conflicts."""
        actions = status_patch(self.kind, job, plan.status)
        for action in actions:
            if isinstance(action, Patch):
                action.patch["metadata"]["resourceVersion"] = meta.resource_version(job)
        await self.carry_out(actions)
        before = {c["type"] for c in (job.get("status") or {}).get("conditions") or () if c["status"] == "True"}
        for condition in plan.status.get("conditions") or ():
            if condition["status"] == "True" and condition["type"] not in before:
                self._record_condition(job, condition)
            elif condition["type"] == "Suspended" and condition["status"] == "False" and "Suspended" in before:
                self.recorder.event(job, "Normal", "Resumed", "Job resumed")

    def _record_condition(self, job: Object, condition: Object) -> None:
        match condition["type"]:
            case "Complete":
                self.recorder.event(job, "Normal", "Completed", "Job completed")
            case "Failed":
                self.recorder.event(job, "Warning", condition["reason"], condition["message"])
            case "Suspended":
                self.recorder.event(job, "Normal", "Suspended", "Job suspended")

    async def _drop_finalizer(self, pod: Object) -> None:
        if tracked(pod):
            gone = {"metadata": {"uid": meta.uid(pod), "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
            await self.carry_out([Patch(kind("pods"), pod, gone, type="strategic")])

    async def _free_strays(self, key: Key) -> None:
        """Pods of a Job that is gone, or going, or was another one of that name, wait for nobody."""
        job = self.jobs.items.get(key)
        alive = meta.uid(job) if job is not None and not meta.deleting(job) else ""
        for pod in self.tracked.get("/".join(key)):
            owner = (meta.controller_of(pod) or {}).get("uid", alive)  # an orphan may be adopted
            if not alive or owner != alive:
                await self._drop_finalizer(pod)


def _failures(owned: Sequence[Object], index: int | None) -> int:
    of = [p for p in owned if index is not None and index_of(p) == index and podlib.phase(p) == "Failed"]
    return max((failure_count(p) + 1 for p in of), default=0)


def _job_of(pod: Object) -> Key | None:
    """The Job that owns the pod; of an orphan, the one that its label names."""
    ref = meta.controller_of(pod)
    if ref is not None:
        return (meta.namespace(pod), ref["name"]) if ref.get("kind") == "Job" else None
    named = meta.labels(pod).get(_NAME)
    return (meta.namespace(pod), named) if named else None


def _tracked_for(pod: Object) -> tuple[str, ...]:
    owner = _job_of(pod) if tracked(pod) else None
    return ("/".join(owner),) if owner is not None else ()
