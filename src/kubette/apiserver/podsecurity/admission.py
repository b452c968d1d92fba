"""The PodSecurity plugin: what a namespace's policy makes of a write. Pure but for the clock.

A pod is refused where it breaks the enforced level. A pod, and an object that makes pods, comes with a warning where it
breaks the level to warn of. A namespace that begins to enforce a level warns of its pods that break it. There is no
audit log, so that the mode ``audit`` is checked as a label and does nothing. Nothing is exempt, as by upstream's
default. Source: k8s.io/pod-security-admission/admission/admission.go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson

from kubette.api import meta as m
from kubette.api.errors import invalid_object
from kubette.api.kinds import Kind, resource
from kubette.apiserver.admission import refused
from kubette.apiserver.podsecurity.checks import Violation, evaluate
from kubette.apiserver.podsecurity.policy import PRIVILEGED, LevelVersion, parse

Object = dict[str, Any]
#: Subresources of pods that change nothing that is checked. Others (``ephemeralcontainers``, ``resize``) are checked.
_IGNORED = frozenset({"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"})
_TEMPLATES = {
    "podtemplates": ("template",),
    "replicationcontrollers": ("spec", "template"),
    "replicasets.apps": ("spec", "template"),
    "deployments.apps": ("spec", "template"),
    "statefulsets.apps": ("spec", "template"),
    "daemonsets.apps": ("spec", "template"),
    "jobs.batch": ("spec", "template"),
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
}
_MAX_PODS = 3000
#: Upstream takes up to a second. Here every other request waits meanwhile.
_SECONDS = 0.15


class Objects(Protocol):
    def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None: ...
    def values(self, kind: Kind, namespace: str) -> Sequence[bytes]: ...


def admit(kind: Kind, sub: str, namespace: str, new: Object, old: Object | None, objects: Objects) -> list[str]:
    """The warnings about a valid object that is about to be written. Raises Forbidden, Invalid.

    Costs one look at the namespace for each pod, and a look at its pods only where it begins to enforce a level.
    """
    if kind.group_resource == "pods":
        return [] if sub in _IGNORED else _pod(kind, namespace, new, old, objects)
    if sub:
        return []
    if kind.group_resource == "namespaces":
        return _namespace(kind, new, old, objects)
    if path := _TEMPLATES.get(kind.group_resource):
        return _template(path, namespace, new, objects)
    return []


def _labels(namespace: str, objects: Objects) -> dict[str, str]:
    found = objects.get(resource("namespaces"), None, namespace)
    return {} if found is None else m.labels(found)


def _pod(kind: Kind, namespace: str, new: Object, old: Object | None, objects: Objects) -> list[str]:
    policy, _ = parse(_labels(namespace, objects))
    if policy.enforce.level == policy.warn.level == PRIVILEGED:
        return []
    if old is not None and not is_significant_update(new, old):
        return []
    if found := _violations(policy.enforce, new):
        raise refused(kind, new, _sentence("violates", policy.enforce, found))
    return _warnings(policy.warn, new)


def _template(path: tuple[str, ...], namespace: str, obj: Object, objects: Objects) -> list[str]:
    policy, _ = parse(_labels(namespace, objects))
    if policy.warn.level == PRIVILEGED:
        return []
    template: Any = obj
    for field in path:
        template = template.get(field) or {}
    return _warnings(policy.warn, template) if template else []


def _warnings(asked: LevelVersion, pod: Object) -> list[str]:
    found = _violations(asked, pod)
    return [_sentence("would violate", asked, found)] if found else []


def _violations(asked: LevelVersion, pod: Object) -> list[Violation]:
    return evaluate(asked, m.annotations(pod), pod.get("spec") or {})


def _sentence(verb: str, asked: LevelVersion, found: list[Violation]) -> str:
    return f'{verb} PodSecurity "{asked}": {", ".join(map(str, found))}'


def is_significant_update(new: Object, old: Object) -> bool:
    """Whether an update of a pod changes what is checked: the set of containers, or an image."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    for field in ("containers", "initContainers"):
        mine, theirs = spec.get(field) or [], before.get(field) or []
        if [c.get("image") for c in mine] != [c.get("image") for c in theirs]:
            return True
    images = {c["name"]: c.get("image") for c in before.get("ephemeralContainers") or ()}
    return any(
        c["name"] not in images or images[c["name"]] != c.get("image") for c in spec.get("ephemeralContainers") or ()
    )


# ---- namespaces


def _namespace(kind: Kind, new: Object, old: Object | None, objects: Objects) -> list[str]:
    policy, errors = parse(m.labels(new))
    before, errors_before = parse(m.labels(old)) if old is not None else (policy, [])
    if errors and errors != errors_before:
        raise invalid_object(kind.kind, m.name(new), errors)
    if policy.enforce == before.enforce or policy.enforce.relaxes(before.enforce):
        return []
    return existing_pods(m.name(new), policy.enforce, objects.values(resource("pods"), m.name(new)))


def existing_pods(
    namespace: str, asked: LevelVersion, stored: Sequence[bytes], clock: Callable[[], float] = time.monotonic
) -> list[str]:
    """Warnings about the pods of a namespace that break a level which it is about to enforce.

    One pod of each owner is looked at first; of many pods only so many as ``_MAX_PODS`` and ``_SECONDS`` allow.
    """
    ends = clock() + _SECONDS
    pods: list[Object] = []
    replicas: list[Object] = []
    owners: set[str] = set()
    for value in stored:
        if clock() > ends - _SECONDS / 2:
            break
        pod = orjson.loads(value)
        owner = (m.controller_of(pod) or {}).get("uid")
        (replicas if owner in owners else pods).append(pod)
        if owner:
            owners.add(owner)
    names: dict[str, list[str]] = {}
    checked = 0
    for pod in [*pods, *replicas][:_MAX_PODS]:
        if found := _violations(asked, pod):
            names.setdefault(", ".join(v.reason for v in found), []).append(m.name(pod))
        checked += 1
        if clock() > ends:
            break
    out = []
    if checked < len(stored):
        total = len(stored)
        out.append(f"new PodSecurity enforce level only checked against the first {checked} of {total} existing pods")
    if names:
        out.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{asked}"')
    return out + sorted(f"{_some(pods)}: {reasons}" for reasons, pods in names.items())


def _some(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"
