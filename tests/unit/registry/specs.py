"""Good objects to spoil: the tables of bad and of odd specs change one place of these.

A place is a path such as ``spec.containers.0.ports.0``; a list is created as far as a path needs it.
"""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]
DELETE = object()

CONTAINER: Object = {"name": "c", "image": "luksa/kubia", "ports": [{"name": "http", "containerPort": 8080}]}
TEMPLATE: Object = {"metadata": {"labels": {"app": "kubia"}}, "spec": {"containers": [CONTAINER]}}
_SELECTED: Object = {"selector": {"matchLabels": {"app": "kubia"}}, "template": TEMPLATE}
_JOB_TEMPLATE: Object = {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}
_INDEXED: Object = {"completionMode": "Indexed", "completions": 5, "template": _JOB_TEMPLATE}

GOOD: dict[str, Object] = {
    "pods": {"spec": {"containers": [CONTAINER]}},
    "podtemplates": {"template": TEMPLATE},
    "replicationcontrollers": {"spec": {"template": TEMPLATE}},
    "replicasets.apps": {"spec": _SELECTED},
    "deployments.apps": {"spec": _SELECTED},
    "statefulsets.apps": {"spec": {**_SELECTED, "serviceName": "s"}},
    "daemonsets.apps": {"spec": _SELECTED},
    "jobs.batch": {"spec": {"template": _JOB_TEMPLATE}},
    "jobs.batch indexed": {"spec": _INDEXED},
    "cronjobs.batch": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": _JOB_TEMPLATE}}}},
    "horizontalpodautoscalers.autoscaling": {
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}
    },
    "poddisruptionbudgets.policy": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "kubia"}}}},
    "controllerrevisions.apps": {"revision": 1, "data": {"spec": {}}},
}


def good(kind: str) -> Object:
    return copy.deepcopy(GOOD[kind])


def change(obj: Object, path: str, value: Any) -> Object:
    """``obj`` with ``value`` at ``path`` (DELETE: without it), changed in place."""
    *parents, last = path.split("/") if "/" in path else path.split(".")
    here: Any = obj
    for i, part in enumerate(parents):
        after = [*parents, last][i + 1]
        here = _step(here, part, [] if after.isdigit() else {})
    if value is DELETE:
        del here[int(last) if isinstance(here, list) else last]
    elif isinstance(here, list):
        here[int(last) : int(last) + 1] = [value]
    else:
        here[last] = value
    return obj


def _step(here: Any, part: str, empty: Any) -> Any:
    if isinstance(here, list):
        while len(here) <= int(part):
            here.append(copy.deepcopy(empty))
        return here[int(part)]
    return here.setdefault(part, empty)
