"""What a Job needs next: whom to count, to start, to end, and when it is over. Pure.

Every pod of a Job carries a finalizer, so that none is gone before it has been counted, and counted once: finished
pods are first listed in ``status.uncountedTerminatedPods``, then lose the finalizer, then add to the numbers.
Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/ and upstream's ``job/job_controller.go``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import jobindexes, jobpolicy
from kubette.controllers import pods as podlib
from kubette.controllers.jobindexes import index_of

FINALIZER = "batch.kubernetes.io/job-tracking"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
_FIRST_BACKOFF, _LAST_BACKOFF = 10.0, 600.0  # seconds
_GOALS = ("FailureTarget", "SuccessCriteriaMet")  # decided, and pods still to end
_ENDS = {"FailureTarget": "Failed", "SuccessCriteriaMet": "Complete"}


@dataclass(slots=True)
class JobPlan:
    """To be done in this order: store ``status``, ``release`` and ``drop`` the finalizers of pods, delete, create."""

    status: Object
    release: list[Object] = field(default_factory=list)  # counted: their finalizer may go
    drop: list[Object] = field(default_factory=list)  # superfluous: deleted without finalizer, not counted
    delete: list[Object] = field(default_factory=list)  # the Job is over: gone, and counted
    create: list[int | None] = field(default_factory=list)  # by index
    again: float | None = None  # seconds


def tracked(pod: Object) -> bool:
    return FINALIZER in (meta.metadata(pod).get("finalizers") or ())


def over(job: Object) -> bool:
    return any((meta.condition(job, end) or {}).get("status") == "True" for end in _ENDS.values())


def indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def failure_count(pod: Object) -> int:
    """How often the pod's index had failed before it."""
    text = meta.annotations(pod).get(FAILURES, "0")
    return int(text) if text.isdecimal() else 0


def decide(job: Object, pods: Sequence[Object], now: datetime) -> JobPlan:
    """``pods``: those the Job owns."""
    return _Decision(job, pods, now).plan()


class _Decision:
    def __init__(self, job: Object, pods: Sequence[Object], now: datetime) -> None:
        self.job, self.spec, self.pods, self.now = job, job["spec"], pods, now
        self.old: Object = job.get("status") or {}
        self.at = meta.format_time(now)
        self.conditions: list[Object] = list(self.old.get("conditions") or [])
        self.indexed = indexed(job)
        self.completions: int | None = self.spec.get("completions")
        self.by_index: int | None = self.spec.get("backoffLimitPerIndex") if self.indexed else None
        self.wait_for_end = self.spec.get("podReplacementPolicy") == "Failed"
        self.active = [p for p in pods if podlib.active(p)]
        self.terminating = [p for p in pods if meta.deleting(p) and not podlib.terminal(p)]
        self.completed = jobindexes.parse(self.old.get("completedIndexes", ""), self.completions or 0)
        self.lost = jobindexes.parse(self.old.get("failedIndexes", ""), self.completions or 0)
        self.release: list[Object] = []
        self.fatal = ""  # the failure policy ends the Job
        self._count()

    # -- counting ----------------------------------------------------------------------------------

    def _count(self) -> None:
        held = {meta.uid(p) for p in self.pods if tracked(p)}
        listed = self.old.get("uncountedTerminatedPods") or {}
        self.uncounted = {way: [u for u in listed.get(way) or () if u in held] for way in ("succeeded", "failed")}
        done = {way: len(listed.get(way) or ()) - len(left) for way, left in self.uncounted.items()}
        self.total = {way: int(self.old.get(way, 0)) + done[way] for way in ("succeeded", "failed")}
        for pod in self.pods:
            if tracked(pod):
                self._finished(pod)

    def _finished(self, pod: Object) -> None:
        uid, phase, index = meta.uid(pod), podlib.phase(pod), index_of(pod)
        if phase == "Succeeded":
            if self.indexed:
                if index is not None and index < (self.completions or 0):
                    self.completed.add(index)
                    self.lost.discard(index)
            elif uid not in self.uncounted["succeeded"]:
                self.uncounted["succeeded"].append(uid)
        elif phase == "Failed" or (meta.deleting(pod) and not self.wait_for_end):
            if uid not in self.uncounted["failed"]:
                self._failed(pod, uid, index)
        else:
            return
        self.release.append(pod)

    def _failed(self, pod: Object, uid: str, index: int | None) -> None:
        action, words = jobpolicy.failure(self.job, pod)
        if action == "FailJob":
            self.fatal = self.fatal or words
        if action == "Ignore":
            return
        self.uncounted["failed"].append(uid)
        if self.by_index is None or index is None or index in self.completed:
            return
        if action == "FailIndex" or failure_count(pod) >= self.by_index:
            self.lost.add(index)

    @property
    def succeeded(self) -> int:
        return len(self.completed) if self.indexed else self.total["succeeded"] + len(self.uncounted["succeeded"])

    @property
    def failed(self) -> int:
        return self.total["failed"] + len(self.uncounted["failed"])

    # -- the decision ------------------------------------------------------------------------------

    def plan(self) -> JobPlan:
        if over(self.job):
            return JobPlan(self._status(), self.release)
        start = self.old.get("startTime")
        goal = self._goal(start)
        if goal is not None:
            return self._finish(goal, start)
        if self.spec.get("suspend"):
            self._set("Suspended", "True", "JobSuspended", "Job suspended")
            return JobPlan(self._status(), self.release, drop=self.active)
        if (suspended := meta.condition(self.job, "Suspended")) is not None and suspended["status"] == "True":
            self._set("Suspended", "False", "JobResumed", "Job resumed")
        start = start or self.at
        out = JobPlan(self._status(start), self.release)
        deadline = self.spec.get("activeDeadlineSeconds")
        if deadline is not None:
            out.again = max(0.1, deadline - (self.now - meta.parse_time(start)).total_seconds())
        self._size(out)
        return out

    def _finish(self, goal: Object, start: str | None) -> JobPlan:
        self._set(goal["type"], "True", goal["reason"], goal["message"])
        rest = self.active or self.terminating or any(self.uncounted.values()) or self.release
        ended = ""
        if not rest:
            end = _ENDS[goal["type"]]
            self._set(end, "True", goal["reason"], goal["message"])
            ended = self.at if end == "Complete" else ""
        return JobPlan(self._status(start, ended), self.release, delete=self.active)

    def _goal(self, start: str | None) -> Object | None:
        """The condition that says that the Job is decided, old or new."""
        for type_ in _GOALS:
            known = next((c for c in self.conditions if c["type"] == type_ and c["status"] == "True"), None)
            if known is not None:
                return known
        for type_, (reason, message) in (("FailureTarget", self._lost()), ("SuccessCriteriaMet", self._won())):
            if type_ == "FailureTarget" and not reason:
                reason, message = self._late(start)
            if reason:
                return {"type": type_, "reason": reason, "message": message}
        return None

    def _lost(self) -> tuple[str, str]:
        if self.fatal:
            return "PodFailurePolicy", self.fatal
        limit = int(self.spec.get("backoffLimit", 6))
        restarts = sum(_restarts(p) for p in self.active) if self._restarted_in_place() else 0
        if self.failed > limit or restarts > (limit - 1 if limit else 0):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        if self.by_index is not None:
            most = self.spec.get("maxFailedIndexes")
            if most is not None and len(self.lost) > most:
                return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
            if self.lost and len(self.lost | self.completed) >= (self.completions or 0):
                return "FailedIndexes", "Job has failed indexes"
        return "", ""

    def _late(self, start: str | None) -> tuple[str, str]:
        deadline = self.spec.get("activeDeadlineSeconds")
        if deadline is None or start is None or self.spec.get("suspend"):
            return "", ""
        late = (self.now - meta.parse_time(start)).total_seconds() >= deadline
        return ("DeadlineExceeded", "Job was active longer than specified deadline") if late else ("", "")

    def _won(self) -> tuple[str, str]:
        if self.indexed and (words := jobpolicy.success(self.job, self.completed)):
            return "SuccessPolicy", words
        if self.completions is None:
            enough = self.succeeded > 0 and not self.active
        else:
            enough = self.succeeded >= self.completions
        return ("CompletionsReached", "Reached expected number of succeeded pods") if enough else ("", "")

    def _restarted_in_place(self) -> bool:
        return bool(self.spec["template"]["spec"].get("restartPolicy") == "OnFailure")

    # -- how many pods -----------------------------------------------------------------------------

    def _size(self, out: JobPlan) -> None:
        most = int(self.spec.get("parallelism", 1))
        if self.completions is not None:
            wanted = min(most, self.completions - self.succeeded - len(self.lost))
        else:
            wanted = len(self.active) if self.succeeded else most
        stray = self._stray()
        serving = [p for p in self.active if not any(p is s for s in stray)]
        out.drop = [*stray, *podlib.first_to_go(serving, {})[: max(0, len(serving) - wanted)]]
        room = wanted - len(serving) - (len(self.terminating) if self.wait_for_end else 0)
        if room <= 0:
            return
        if not self.indexed:
            wait = backoff(self.pods, self.now)
            out.create, later = ([], [wait]) if wait > 0 else ([None] * room, [])
        else:
            out.create, later = self._free_indexes(serving, room)
        if later:
            out.again = min([*later, *([out.again] if out.again is not None else [])])

    def _stray(self) -> list[Object]:
        """Active pods of an Indexed Job that do what is done, or what another does already."""
        if not self.indexed:
            return []
        out, taken = [], set(self.completed | self.lost)
        for pod in sorted(self.active, key=lambda p: str(p["metadata"].get("creationTimestamp", ""))):
            index = index_of(pod)
            if index is None or index in taken or index >= (self.completions or 0):
                out.append(pod)
            else:
                taken.add(index)
        return out

    def _free_indexes(self, serving: Sequence[Object], room: int) -> tuple[list[int | None], list[float]]:
        """Indexes to start now, and in how many seconds others may be."""
        busy = {index_of(p) for p in [*serving, *(self.terminating if self.wait_for_end else ())]}
        of: dict[int | None, list[Object]] = {}
        for pod in self.pods:
            of.setdefault(index_of(pod), []).append(pod)
        chosen: list[int | None] = []
        later: list[float] = []
        shared = 0.0 if self.by_index is not None else backoff(self.pods, self.now)
        for index in range(self.completions or 0):
            if len(chosen) == room:
                break
            if index in self.completed or index in self.lost or index in busy:
                continue
            wait = index_backoff(of.get(index, ()), self.now) if self.by_index is not None else shared
            if wait > 0:
                later.append(wait)
            else:
                chosen.append(index)
        return chosen, later

    # -- status ------------------------------------------------------------------------------------

    def _set(self, type_: str, status: str, reason: str, message: str) -> None:
        old = next((c for c in self.conditions if c["type"] == type_), None)
        new = {"type": type_, "status": status, "reason": reason, "message": message}
        if old is None or old["status"] != status:
            rest = [c for c in self.conditions if c["type"] != type_]
            self.conditions = [*rest, {**new, "lastProbeTime": self.at, "lastTransitionTime": self.at}]

    def _status(self, start: str | None = None, ended: str = "") -> Object:
        if over(self.job):
            start, ended = self.old.get("startTime"), self.old.get("completionTime", "")
        counts = Counter(active=len(self.active), succeeded=self.total["succeeded"], failed=self.total["failed"])
        if self.indexed:
            counts["succeeded"] = len(self.completed)
        out: Object = {k: v for k, v in counts.items() if v}
        out["ready"] = sum(podlib.ready(p) for p in self.active)
        out["terminating"] = len(self.terminating)
        out["uncountedTerminatedPods"] = {way: uids for way, uids in self.uncounted.items() if uids}
        if start:
            out["startTime"] = start
        if ended:
            out["completionTime"] = ended
        if self.conditions:
            out["conditions"] = self.conditions
        if self.completed:
            out["completedIndexes"] = jobindexes.write(self.completed)
        if self.by_index is not None:
            out["failedIndexes"] = jobindexes.write(self.lost)
        return out


def backoff(pods: Iterable[Object], now: datetime) -> float:
    """Seconds until another try: 10, 20, 40, … after the last of the failures since the last success."""
    ended = [(_ended(p), podlib.phase(p) == "Succeeded") for p in pods if podlib.terminal(p)]
    success = max((at for at, well in ended if well), default=None)
    failures = [at for at, well in ended if not well and (success is None or at > success)]
    if not failures:
        return 0.0
    return _pause(len(failures)) - (now - max(failures)).total_seconds()


def index_backoff(pods: Iterable[Object], now: datetime) -> float:
    """Seconds until another try of an index whose failures are limited; its last failed pod carries their number."""
    last = max((p for p in pods if podlib.phase(p) == "Failed"), key=_ended, default=None)
    if last is None:
        return 0.0
    return _pause(failure_count(last) + 1) - (now - _ended(last)).total_seconds()


def _pause(failures: int) -> float:
    return float(min(_LAST_BACKOFF, _FIRST_BACKOFF * 2 ** min(failures - 1, 10)))


def _ended(pod: Object) -> datetime:
    """When the pod ended: its last container, else its readiness, else its deletion was asked for, else it was made."""
    status, m = pod.get("status") or {}, pod["metadata"]
    sidecars = {c["name"] for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"}
    rows = [*(status.get("containerStatuses") or ())]
    rows += [r for r in status.get("initContainerStatuses") or () if r["name"] in sidecars]
    finished = [((r.get("state") or {}).get("terminated") or {}).get("finishedAt") for r in rows]
    if finished and all(finished):
        return max(meta.parse_time(at) for at in finished if at)
    ready = meta.condition(pod, "Ready") or {}
    if ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return meta.parse_time(ready["lastTransitionTime"])
    if at := m.get("deletionTimestamp"):
        return meta.parse_time(at) - timedelta(seconds=int(m.get("deletionGracePeriodSeconds") or 0))
    return meta.parse_time(m["creationTimestamp"])


def _restarts(pod: Object) -> int:
    status = pod.get("status") or {}
    rows = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return sum(int(row.get("restartCount", 0)) for row in rows)
