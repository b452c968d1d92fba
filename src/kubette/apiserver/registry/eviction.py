"""Evictions: whether a pod may be deleted as its disruption budget stands, and what the budget is then.

Pure. The budget's ``disruptionsAllowed`` is lowered and the pod noted in it in the same step as the pod is deleted, so
that a second eviction sees the first. Source: pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

import copy

from kubette.api import meta, selectors
from kubette.api.errors import ApiError, BadRequest, Forbidden, TooManyRequests
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.apiserver.registry.base import Context, SubresourceResult

_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
_RETRY_SECONDS = 10
_MOST_DISRUPTED = 2000  # evictions of one budget that its controller has not confirmed
_ALLOWED = "DisruptionAllowed"


def evict(pod: Object, eviction: Object, ctx: Context) -> SubresourceResult:
    name = meta.name(pod)
    named = meta.metadata(eviction).get("name")
    if named and named != name:
        raise BadRequest("name in URL does not match name in Eviction object")
    options = dict(eviction.get("deleteOptions") or {})
    done = SubresourceResult(answer=dict(_SUCCESS), delete_options=options, update=_targeted(pod, ctx))
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed", "Pending") or meta.deleting(pod):
        return done
    budgets = _budgets_of(pod, ctx)
    if len(budgets) > 1:
        raise ApiError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    if budgets and (spent := _spend(budgets[0], pod, ctx)) is not None:
        done.also.append((resource("poddisruptionbudgets.policy"), spent))
    return done


def _targeted(pod: Object, ctx: Context) -> Object:
    """The pod with the condition that says why it goes."""
    out = copy.deepcopy(pod)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    condition["message"] = "Eviction API: evicting"
    status = out.setdefault("status", {})
    status["conditions"] = meta.set_condition(status.get("conditions") or [], condition, ctx.now())
    return out


def _budgets_of(pod: Object, ctx: Context) -> list[Object]:
    labels = meta.labels(pod)
    out = []
    for budget in ctx.reader.list(resource("poddisruptionbudgets.policy"), meta.namespace(pod)):
        selector = (budget.get("spec") or {}).get("selector")
        if selector is not None and selectors.from_label_selector(selector).matches(labels):
            out.append(budget)
    return out


def _spend(budget: Object, pod: Object, ctx: Context) -> Object | None:
    """The budget after this eviction; None where the eviction costs it nothing. Raises where it allows none."""
    status = budget.get("status") or {}
    if (meta.condition(pod, "Ready") or {}).get("status") != "True":
        policy = (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy")
        if policy == "AlwaysAllow" or status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0:
            return None
    name = meta.name(budget)
    if status.get("observedGeneration", 0) < meta.metadata(budget).get("generation", 0):
        raise _too_many(f"The disruption budget {name} is still being processed by the server.", _RETRY_SECONDS)
    if len(status.get("disruptedPods") or {}) > _MOST_DISRUPTED:
        raise Forbidden(
            f'poddisruptionbudgets.policy "{name}" is forbidden: DisruptedPods map too big - too many evictions not '
            "confirmed by PDB controller"
        )
    allowed = int(status.get("disruptionsAllowed", 0))
    if allowed <= 0:
        raise _too_many(_refusal(budget), 0)
    out = copy.deepcopy(budget)
    left: Object = out["status"]
    left["disruptionsAllowed"] = allowed - 1
    left["disruptedPods"] = {**(left.get("disruptedPods") or {}), meta.name(pod): ctx.now()}
    if allowed == 1:
        condition = {"type": _ALLOWED, "status": "False", "reason": "InsufficientPods", "message": ""}
        condition["observedGeneration"] = left.get("observedGeneration", 0)
        left["conditions"] = meta.set_condition(left.get("conditions") or [], condition, ctx.now())
    return out


def _refusal(budget: Object) -> str:
    name, status = meta.name(budget), budget.get("status") or {}
    condition = meta.condition(budget, _ALLOWED) or {}
    reason, message = condition.get("reason", ""), condition.get("message", "")
    denied = condition.get("status") == "False" and message
    if denied and reason == "SyncFailed":
        return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {message}"
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if healthy <= wanted:
        return f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
    if denied:
        return f"The disruption budget {name} does not allow evicting pods currently ({reason}): {message}"
    return f"The disruption budget {name} does not allow evicting pods currently"


def _too_many(why: str, retry_seconds: int) -> TooManyRequests:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_seconds:
        details["retryAfterSeconds"] = retry_seconds
    return TooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", details=details)
