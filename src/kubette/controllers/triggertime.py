"""When it happened that endpoints had to change: the annotation that latency of the service network is measured by.

Source: the annotation's documentation, and upstream's ``endpointslice/util/trigger_time_tracker.go``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kubette.api import meta
from kubette.api.meta import Object

ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass(slots=True)
class _Seen:
    service: str = ""  # creationTimestamp
    pods: dict[str, str] = field(default_factory=dict)  # by name, when readiness changed


class TriggerTimes:
    """Times are RFC 3339 in UTC, as objects carry them, so that they sort as text."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Seen] = {}

    def since_last(self, service: Object, pods: Sequence[Object]) -> str:
        """The earliest event since the last call for this Service; its creation at the first; "" if there was none."""
        key = meta.key(service)
        before = self._seen.get(key)
        now = _Seen(_created(service), {meta.name(p): at for p in pods if (at := _changed(p))})
        self._seen[key] = now
        if before is None:
            return now.service
        news = [at for name, at in now.pods.items() if at > before.pods.get(name, "")]
        if now.service > before.service:
            news.append(now.service)
        return min(news, default="")

    def forget(self, key: tuple[str, str]) -> None:
        self._seen.pop(key, None)


def annotate(metadata: Object, at: str) -> Object:
    """``metadata`` with the annotation saying ``at``, or without it."""
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != ANNOTATION}
    if at:
        annotations[ANNOTATION] = at
    out = {k: v for k, v in metadata.items() if k != "annotations"}
    return {**out, "annotations": annotations} if annotations else out


def _created(service: Object) -> str:
    return str(meta.metadata(service).get("creationTimestamp") or "")


def _changed(pod: Object) -> str:
    return str((meta.condition(pod, "Ready") or {}).get("lastTransitionTime") or "")
