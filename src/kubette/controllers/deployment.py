"""Deployments: a ReplicaSet for each template, and the way from the old one to the new.

``decide`` takes one step purely; the change that the step makes brings the next. Revisions and annotations
are upstream's, so that ``kubectl rollout status``, ``history``, ``undo``, ``pause`` and ``resume`` work.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from datetime import datetime

from kubette.api import errors, meta
from kubette.api.meta import Object
from kubette.api.selectors import LabelSelector, from_label_selector
from kubette.controllers import pods as podlib
from kubette.controllers import rollout
from kubette.controllers.adoption import claim
from kubette.controllers.base import Controller, Index, Key, by_controller, kind
from kubette.controllers.deployment_status import complete, condition, counts, progressed, put
from kubette.controllers.rollout import DESIRED, HASH_LABEL, MAXIMUM, REVISION, replicas, revision
from kubette.controllers.writes import Action, Create, Delete, Note, Patch, Plan, Update, apply, status_patch

_HISTORY = "deployment.kubernetes.io/revision-history"
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    _HISTORY,
    DESIRED,
    MAXIMUM,
}


def find_new(deployment: Object, sets: Sequence[Object]) -> Object | None:
    """The oldest ReplicaSet of the present template."""
    template = deployment["spec"]["template"]
    ordered = sorted(sets, key=lambda rs: (str(rs["metadata"].get("creationTimestamp", "")), meta.name(rs)))
    return next((rs for rs in ordered if rollout.same_template(rs["spec"]["template"], template)), None)


def decide(deployment: Object, sets: Sequence[Object], with_pods: Collection[str], now: datetime) -> Plan:
    """One step. ``sets``: the ReplicaSets it owns; ``with_pods``: uids of those that still have pods."""
    new = find_new(deployment, sets)
    old = [rs for rs in sets if rs is not new]
    if meta.deleting(deployment):
        return _finish(deployment, [], new, old, now, follow=False, stored=deployment)
    stored, deployment = deployment, _pause(deployment, now)
    if deployment["spec"].get("paused") or _scaled(deployment, sets):
        return _finish(deployment, _rescale(deployment, new, old), new, old, now, follow=False, stored=stored)
    actions: list[Action] = []
    if rollout.rolling(deployment):
        if new is None:
            actions = _create(deployment, old, rollout.new_size(deployment, None, old))
        else:
            size = rollout.new_size(deployment, new, sets)
            actions = _renew(deployment, new, old, size)
            if size == replicas(new):
                sizes = rollout.old_sizes(deployment, new, old)
                actions += [a for rs in old for a in _resize(deployment, rs, sizes.get(meta.name(rs)))]
    else:
        running = [rs for rs in old if replicas(rs)]
        if running:
            actions = [a for rs in running for a in _resize(deployment, rs, 0)]
        elif not any(meta.uid(rs) in with_pods for rs in old):
            size = replicas(deployment)
            actions = _renew(deployment, new, old, size) if new else _create(deployment, old, size)
    return _finish(deployment, actions, new, old, now, follow=True, stored=stored)


def _scaled(deployment: Object, sets: Sequence[Object]) -> bool:
    """The wanted number has changed since the running ReplicaSets were last sized."""
    wanted = str(replicas(deployment))
    return any(replicas(rs) and meta.annotations(rs).get(DESIRED, wanted) != wanted for rs in sets)


def _rescale(deployment: Object, new: Object | None, old: Sequence[Object]) -> list[Action]:
    sizes = rollout.proportional(deployment, new, old)
    everyone = [*old, *([new] if new is not None else [])]
    chosen = [rs for rs in everyone if replicas(rs) or meta.name(rs) in sizes]
    return [a for rs in chosen for a in _resize(deployment, rs, sizes.get(meta.name(rs), replicas(rs)))]


def _marks(deployment: Object) -> dict[str, str]:
    wanted = replicas(deployment)
    return {DESIRED: str(wanted), MAXIMUM: str(wanted + rollout.limits(deployment)[0])}


def _resize(deployment: Object, rs: Object, size: int | None) -> list[Action]:
    if size is None:
        return []
    changed = copy.deepcopy(rs)
    changed["spec"]["replicas"] = size
    changed["metadata"]["annotations"] = {**meta.annotations(rs), **_marks(deployment)}
    return _update(deployment, rs, changed)


def _update(deployment: Object, rs: Object, changed: Object) -> list[Action]:
    if changed == rs:
        return []
    before, size = replicas(rs), replicas(changed)
    note = _sized(deployment, meta.name(rs), before, size) if before != size else None
    return [Update(kind("replicasets.apps"), changed, note=note)]


def _sized(deployment: Object, name: str, before: int, size: int) -> Note:
    way = "up" if size > before else "down"
    return Note(deployment, "ScalingReplicaSet", f"Scaled {way} replica set {name} from {before} to {size}")


def _copied(deployment: Object) -> dict[str, str]:
    return {k: v for k, v in meta.annotations(deployment).items() if k not in _NOT_COPIED}


def _create(deployment: Object, old: Sequence[Object], size: int) -> list[Action]:
    """The ReplicaSet of the present template."""
    spec, template = deployment["spec"], copy.deepcopy(deployment["spec"]["template"])
    collisions = int((deployment.get("status") or {}).get("collisionCount") or 0)
    digest = rollout.template_hash(template, collisions)
    template.setdefault("metadata", {}).setdefault("labels", {})[HASH_LABEL] = digest
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}
    number = str(max(map(revision, old), default=0) + 1)
    out: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta.name(deployment)}-{digest}",
            "namespace": meta.namespace(deployment),
            "labels": dict(template["metadata"]["labels"]),
            "annotations": {**_copied(deployment), REVISION: number, **_marks(deployment)},
            "ownerReferences": [meta.owner_reference(deployment)],
        },
        "spec": {"replicas": size, "selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        out["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    note = _sized(deployment, out["metadata"]["name"], 0, size) if size else None
    return [Create(kind("replicasets.apps"), out, note=note), *_revise(deployment, number)]


def _renew(deployment: Object, new: Object, old: Sequence[Object], size: int) -> list[Action]:
    """Bring the present template's ReplicaSet up to date: its revision, annotations and size."""
    changed = copy.deepcopy(new)
    notes = changed["metadata"].setdefault("annotations", {})
    notes.update(_copied(deployment))
    number = max(map(revision, old), default=0) + 1
    if revision(new) < number:
        if past := notes.get(REVISION):
            notes[_HISTORY] = f"{notes[_HISTORY]},{past}" if notes.get(_HISTORY) else past
        notes[REVISION] = str(number)
    if size != replicas(new):
        changed["spec"]["replicas"] = size
        notes.update(_marks(deployment))
    least = deployment["spec"].get("minReadySeconds", 0)
    if changed["spec"].get("minReadySeconds", 0) != least:
        changed["spec"]["minReadySeconds"] = least
    return [*_update(deployment, new, changed), *_revise(deployment, notes.get(REVISION, str(number)))]


def _revise(deployment: Object, number: str) -> list[Action]:
    if meta.annotations(deployment).get(REVISION) == number:
        return []
    change = {"metadata": {"uid": meta.uid(deployment), "annotations": {REVISION: number}}}
    return [Patch(kind("deployments.apps"), deployment, change)]


def _pause(deployment: Object, now: datetime) -> Object:
    """The Deployment with its Progressing condition saying paused or resumed, when that is news."""
    paused, current = bool(deployment["spec"].get("paused")), meta.condition(deployment, "Progressing")
    reason = (current or {}).get("reason", "")
    if reason == "ProgressDeadlineExceeded" or paused == (reason == "DeploymentPaused"):
        return deployment
    words = ("DeploymentPaused", "Deployment is paused") if paused else ("DeploymentResumed", "Deployment is resumed")
    status = dict(deployment.get("status") or {})
    fresh = condition("Progressing", "Unknown", *words)
    status["conditions"] = put(status.get("conditions") or [], fresh, now)
    return {**deployment, "status": status}


def _finish(
    deployment: Object,
    actions: list[Action],
    new: Object | None,
    old: Sequence[Object],
    now: datetime,
    *,
    follow: bool,
    stored: Object,
) -> Plan:
    """What was decided, then history and status. ``follow``: a rollout is to be judged; ``stored``: the
    Deployment as the API has it, which the status is compared with."""
    everyone = [*old, *([new] if new is not None else [])]
    status = counts(deployment, new, everyone)
    if not actions and (complete(deployment, status) or deployment["spec"].get("paused")):
        actions = [*actions, *_forget(deployment, old)]
    conditions, again = progressed(deployment, new, status, now)
    if not follow:
        kept = meta.condition(deployment, "Progressing")
        conditions = [c for c in conditions if c["type"] != "Progressing"] + ([kept] if kept else [])
    created = next((a.obj for a in actions if isinstance(a, Create)), None)
    if created is not None:
        message = f'Created new replica set "{meta.name(created)}"'
        fresh = condition("Progressing", "True", "NewReplicaSetCreated", message)
        conditions = put(conditions, fresh, now)
        again = float(deployment["spec"].get("progressDeadlineSeconds", 600))
    if conditions:
        status["conditions"] = conditions
    return Plan([*actions, *_status(stored, status)], again)


def _status(deployment: Object, status: Object) -> list[Action]:
    return status_patch(kind("deployments.apps"), deployment, status)


def _forget(deployment: Object, old: Sequence[Object]) -> list[Action]:
    """Old ReplicaSets beyond the history limit, the oldest revisions first."""
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    idle = [
        rs for rs in old if not replicas(rs) and not (rs.get("status") or {}).get("replicas") and not meta.deleting(rs)
    ]
    surplus = len(idle) - limit
    return [Delete(kind("replicasets.apps"), rs) for rs in sorted(idle, key=revision)[: max(0, surplus)]]


class Deployment(Controller[Key]):
    name = "deployment-controller"

    def watch(self) -> None:
        self.deployments = self.cluster.informer("deployments.apps")
        sets, pods = self.cluster.informer("replicasets.apps"), self.cluster.informer("pods")
        self.sets, self.pods = Index(sets, by_controller), Index(pods, by_controller)
        self._sets_by_key = sets
        self.deployments.subscribe(lambda key, old, new: self.queue.add(key))
        sets.subscribe(self._set_changed)
        pods.subscribe(self._pod_changed)

    def _set_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        for rs in (old, new):
            if rs is None:
                continue
            ref = meta.controller_of(rs)
            if ref is not None and ref.get("kind") == "Deployment":
                self.queue.add((key[0], ref["name"]))
        if new is not None and meta.controller_of(new) is None:
            for owner_key, owner in self.deployments.items.items():
                if owner_key[0] == key[0] and _selector(owner).matches(meta.labels(new)):
                    self.queue.add(owner_key)

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        """Recreate waits for the last old pod to be gone."""
        if old is None or (new is not None and podlib.terminal(new) == podlib.terminal(old)):
            return
        ref = meta.controller_of(old)
        rs = self._sets_by_key.items.get((key[0], ref["name"])) if ref and ref["kind"] == "ReplicaSet" else None
        parent = meta.controller_of(rs) if rs is not None else None
        if parent is not None:
            self.queue.add((key[0], parent["name"]))

    async def reconcile(self, key: Key) -> float | None:
        deployment = self.deployments.items.get(key)
        if deployment is None:
            return None
        selector = _selector(deployment)
        if selector.everything:
            words = "This deployment is selecting all pods. A non-empty selector is required."
            self.recorder.event(deployment, "Warning", "SelectingAll", words)
            return None
        everyone = self.sets.get(meta.uid(deployment)) + self.sets.get(key[0] + "/")
        claimed = claim(kind("replicasets.apps"), deployment, selector, everyone)
        for patch in [*claimed.release, *claimed.adopt]:
            await apply(self.api, patch)
        with_pods = {
            meta.uid(rs) for rs in claimed.owned if any(not podlib.terminal(p) for p in self.pods.get(meta.uid(rs)))
        }
        plan = decide(deployment, claimed.owned, with_pods, self.cluster.now())
        try:
            await self.carry_out(plan.actions)
        except errors.AlreadyExists:
            await self._collided(deployment, plan)
            return 0.05
        return plan.again

    async def _collided(self, deployment: Object, plan: Plan) -> None:
        """The name is taken: by our own ReplicaSet, which the informer has yet to show, or by a stranger."""
        wanted = next(a.obj for a in plan.actions if isinstance(a, Create))
        found = await self.api.get(kind("replicasets.apps"), meta.name(wanted), meta.namespace(wanted))
        if meta.controlled_by(found, deployment) and rollout.same_template(
            found["spec"]["template"], deployment["spec"]["template"]
        ):
            return
        status = dict(deployment.get("status") or {})
        status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
        await self.carry_out(_status(deployment, status))


def _selector(deployment: Object) -> LabelSelector:
    return from_label_selector(deployment["spec"].get("selector"))
