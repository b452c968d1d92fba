"""What a Job's policies say: which failures count, which do not, which end it; which successes suffice. Pure.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy and #success-policy.
"""

from __future__ import annotations

from collections.abc import Collection

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import jobindexes


def failure(job: Object, pod: Object) -> tuple[str, str]:
    """(action, message) of the first rule that a failed pod matches; ``Count`` if none does."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        action = rule["action"]
        why = _exit_code(rule.get("onExitCodes"), pod) or _condition(rule.get("onPodConditions") or (), pod)
        if why:
            return action, f"{why} matching {action} rule at index {number}"
    return "Count", ""


def _exit_code(wanted: Object | None, pod: Object) -> str:
    if wanted is None:
        return ""
    status = pod.get("status") or {}
    for row in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        code = ((row.get("state") or {}).get("terminated") or {}).get("exitCode")
        if not code or wanted.get("containerName") not in (None, row["name"]):
            continue  # a container that ended well has not failed
        if (code in wanted["values"]) == (wanted["operator"] == "In"):
            return f"Container {row['name']} for pod {_words(pod)} failed with exit code {code}"
    return ""


def _condition(patterns: Collection[Object], pod: Object) -> str:
    for pattern in patterns:
        found = meta.condition(pod, pattern["type"])
        if found is not None and found["status"] == pattern.get("status", "True"):
            return f"Pod {_words(pod)} has condition {pattern['type']}"
    return ""


def _words(pod: Object) -> str:
    return f"{meta.namespace(pod)}/{meta.name(pod)}"


def success(job: Object, completed: Collection[int]) -> str | None:
    """The message of the first rule of the success policy that is met."""
    completions = int(job["spec"].get("completions") or 0)
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        named = rule.get("succeededIndexes")
        among = jobindexes.parse(named, completions) if named is not None else set(range(completions))
        met = among & set(completed)
        count = rule.get("succeededCount")
        if len(met) >= count if count is not None else met == among:
            return f"Matched rules at index {number}"
    return None
