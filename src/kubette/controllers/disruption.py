"""Keeps the status of PodDisruptionBudgets, by which the API server decides on evictions.

Also resets a DisruptionTarget condition whose pod nobody deleted after all. ``budget_status`` and its parts are pure.
Source: https://kubernetes.io/docs/tasks/run-application/configure-pdb/ and upstream's ``disruption/disruption.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from kubette.api import errors, intstr, meta
from kubette.api.kinds import by_kind
from kubette.api.meta import Object
from kubette.api.selectors import LabelSelector, from_label_selector
from kubette.controllers import pods as podlib
from kubette.controllers.base import Controller, Index, Key, by_namespace, kind
from kubette.controllers.writes import Patch, Update

_DELETION_TIMEOUT = timedelta(minutes=2)  # for a pod that an eviction said it would delete
_STALE_CONDITION = timedelta(minutes=2)
_BUDGET, _POD = "budget", "pod"
_KUBELET = "TerminationByKubelet"

BudgetKey = tuple[str, str, str]  # what, namespace, name


class UnknownScale(Exception):
    """How many pods there should be cannot be known."""


def needs_scale(budget: Object) -> bool:
    """The budget is a share of what the pods' controllers want, not a number."""
    spec = budget.get("spec") or {}
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def desired(budget: Object, expected: int) -> int:
    """How many pods must stay healthy of ``expected``."""
    spec = budget.get("spec") or {}
    if (most := spec.get("maxUnavailable")) is not None:
        return max(0, expected - intstr.scaled(most, expected, round_up=True))
    if (least := spec.get("minAvailable")) is not None:
        return intstr.scaled(least, expected, round_up=True)
    return 0


def still_disrupted(budget: Object, pods: Iterable[Object], now: datetime) -> dict[str, str]:
    """Of the pods that evictions have listed as about to go, those that may still do so."""
    listed = (budget.get("status") or {}).get("disruptedPods") or {}
    return {
        name: listed[name]
        for pod in pods
        if not meta.deleting(pod) and (name := meta.name(pod)) in listed
        if meta.parse_time(listed[name]) + _DELETION_TIMEOUT >= now
    }


def budget_status(budget: Object, pods: Sequence[Object], expected: int, now: datetime) -> Object:
    """``pods``: those that the budget selects; ``expected``: how many there should be."""
    disrupted = still_disrupted(budget, pods, now)
    healthy = sum(podlib.ready(p) and not meta.deleting(p) and meta.name(p) not in disrupted for p in pods)
    wanted = desired(budget, expected)
    allowed = max(0, healthy - wanted) if expected > 0 else 0
    status: Object = {
        "currentHealthy": healthy,
        "desiredHealthy": wanted,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
    if disrupted:
        status["disruptedPods"] = disrupted
    old = (budget.get("status") or {}).get("conditions") or []
    status["conditions"] = meta.set_condition(old, allowed_condition(allowed, budget), meta.format_time(now))
    return status


def allowed_condition(allowed: int, budget: Object) -> Object:
    enough = allowed > 0
    return {
        "type": "DisruptionAllowed",
        "status": "True" if enough else "False",
        "reason": "SufficientPods" if enough else "InsufficientPods",
        "message": "",
        "observedGeneration": budget["metadata"].get("generation", 0),
    }


def failed_status(budget: Object, why: str, now: datetime) -> Object:
    """No disruption is allowed while the number of pods cannot be told."""
    status = dict(budget.get("status") or {})
    condition = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": why}
    condition["observedGeneration"] = status.get("observedGeneration", 0)
    conditions = meta.set_condition(status.get("conditions") or [], condition, meta.format_time(now))
    return {**status, "disruptionsAllowed": 0, "conditions": conditions}


def stale_in(pod: Object, now: datetime) -> float | None:
    """Seconds until the pod's DisruptionTarget condition is out of date; None: it has none that can be."""
    condition = meta.condition(pod, "DisruptionTarget")
    if condition is None or condition.get("status") != "True" or meta.deleting(pod) or podlib.terminal(pod):
        return None
    if condition.get("reason") == _KUBELET or not condition.get("lastTransitionTime"):
        return None
    since = meta.parse_time(condition["lastTransitionTime"])
    return max(0.0, (since + _STALE_CONDITION - now).total_seconds())


class Disruption(Controller[BudgetKey]):
    """Keyed by budget, and by pod with a DisruptionTarget condition."""

    name = "disruption-controller"

    def watch(self) -> None:
        self.budgets = self.cluster.informer("poddisruptionbudgets.policy")
        self.pods = self.cluster.informer("pods")
        self.by_namespace, self.pods_of = Index(self.budgets, by_namespace), Index(self.pods, by_namespace)
        self.sets = self.cluster.informer("replicasets.apps")
        self.budgets.subscribe(lambda key, old, new: self.queue.add((_BUDGET, *key)) if new is not None else None)
        self.pods.subscribe(self._pod_changed)

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        labels = [meta.labels(pod) for pod in (old, new) if pod is not None]
        for budget in self.by_namespace.get(key[0]):
            if any(_selector(budget).matches(each) for each in labels):
                self.queue.add((_BUDGET, *meta.key(budget)))
        if new is not None and meta.condition(new, "DisruptionTarget") is not None:
            self.queue.add((_POD, *key))

    async def reconcile(self, key: BudgetKey) -> float | None:
        what, *where = key
        if what == _POD:
            return await self._reset_stale_condition(self.pods.items.get((where[0], where[1])))
        budget = self.budgets.items.get((where[0], where[1]))
        if budget is None:
            return None
        now, selector = self.cluster.now(), _selector(budget)
        pods = [p for p in self.pods_of.get(where[0]) if selector.matches(meta.labels(p))]
        if not pods:
            self.recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        try:
            status = budget_status(budget, pods, await self._expected(budget, pods), now)
        except (UnknownScale, ValueError) as error:
            message = f"Failed to calculate the number of expected pods: {error}"
            self.recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", message)
            status = failed_status(budget, str(error), now)
        if status != (budget.get("status") or {}):
            await self.carry_out([Update(self.budgets.kind, {**budget, "status": status}, "status")])
        times = [meta.parse_time(at) for at in (status.get("disruptedPods") or {}).values()]
        return (min(times) + _DELETION_TIMEOUT - now).total_seconds() + 0.1 if times else None

    async def _expected(self, budget: Object, pods: Sequence[Object]) -> int:
        if not needs_scale(budget):
            return len(pods)
        scales: dict[str, int] = {}
        unmanaged = False
        for pod in pods:
            reference = meta.controller_of(pod)
            if reference is None:
                unmanaged = True
            elif reference["uid"] not in scales:
                scales[reference["uid"]] = 0  # pods of one owner ask once
                uid, number = await self._scale(pod, reference)
                scales[uid] = number
        if unmanaged:
            message = (
                "Pods selected by this PodDisruptionBudget were found to be unmanaged. As a result, the status of the "
                "PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods "
                'please set ".spec.minAvailable" field of the PDB to an integer value.'
            )
            self.recorder.event(budget, "Warning", "UnmanagedPods", message)
        return sum(scales.values())

    async def _scale(self, pod: Object, reference: Object) -> tuple[str, int]:
        """(uid, replicas) of the pod's controller, or of the Deployment above it."""
        namespace = meta.namespace(pod)
        owner = await self._owner(reference, namespace)
        above = meta.controller_of(owner) if owner is not None and reference["kind"] == "ReplicaSet" else None
        if above is not None and above["kind"] == "Deployment":
            owner = await self._owner(above, namespace)
        if owner is None:
            raise UnknownScale(f'found no controllers for pod "{meta.name(pod)}"')
        return meta.uid(owner), int((owner.get("spec") or {}).get("replicas", 1))

    async def _owner(self, reference: Object, namespace: str) -> Object | None:
        owner_kind = by_kind(*meta.group_version(reference["apiVersion"]), reference["kind"])
        if owner_kind is None:
            raise UnknownScale(f'no matches for kind "{reference["kind"]}" in version "{reference["apiVersion"]}"')
        if owner_kind.subresource("scale") is None:
            raise UnknownScale(f"{owner_kind.group_resource} does not implement the scale subresource")
        informer = self.cluster.informers.get(owner_kind.group_resource)
        try:
            known = informer.items.get((namespace, reference["name"])) if informer is not None else None
            found = known or await self.api.get(owner_kind, reference["name"], namespace)
        except errors.NotFound:
            return None
        return found if meta.uid(found) == reference["uid"] else None

    async def _reset_stale_condition(self, pod: Object | None) -> float | None:
        now = self.cluster.now()
        if pod is None or (left := stale_in(pod, now)) is None:
            return None
        if left > 0:
            return left
        reset = {"type": "DisruptionTarget", "status": "False", "lastTransitionTime": meta.format_time(now)}
        change = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [reset]}}
        await self.carry_out([Patch(kind("pods"), pod, change, "status", "strategic")])
        return None


def _selector(budget: Object) -> LabelSelector:
    return from_label_selector((budget.get("spec") or {}).get("selector"))
