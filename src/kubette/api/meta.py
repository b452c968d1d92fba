"""Reading and writing the ``metadata`` that every object has: identity, owners, times, deletion.

Objects are plain JSON dicts; these helpers are the only place that knows metadata's shape. Time and
randomness enter here (``now``, ``new_uid``, ``generate_name``) and nowhere else in the api package.
"""

import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

#: An API object, or a part of one, as decoded JSON. The one name for it in all packages.
Object: TypeAlias = dict[str, Any]
Key = tuple[str, str]  # (namespace or "", name)

# Upstream's rand.String alphabet: no vowels and no look-alikes, so that no words form.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_MAX_GENERATED_BASE = 63 - 5


def now() -> str:
    """``metav1.Time``: RFC 3339 in seconds, UTC."""
    return format_time(datetime.now(UTC))


def now_micro() -> str:
    """``metav1.MicroTime``: RFC 3339 with six decimals, UTC (leases, events)."""
    return format_micro(datetime.now(UTC))


def format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def format_micro(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """An RFC 3339 time (Time or MicroTime) as an aware datetime. ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without zone: {text!r}")
    return moment


def new_uid() -> str:
    return str(uuid.uuid4())


def random_suffix(length: int = 5) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def generate_name(base: str) -> str:
    """``base`` and five random characters, cut so that the whole fits a DNS label."""
    return base[:_MAX_GENERATED_BASE] + random_suffix()


def metadata(obj: Mapping[str, Any]) -> Object:
    """The object's metadata, ``{}`` when it has none (not attached to it then)."""
    return obj.get("metadata") or {}


def name(obj: Mapping[str, Any]) -> str:
    return str(metadata(obj).get("name") or "")


def namespace(obj: Mapping[str, Any]) -> str:
    return str(metadata(obj).get("namespace") or "")


def uid(obj: Mapping[str, Any]) -> str:
    return str(metadata(obj).get("uid") or "")


def resource_version(obj: Mapping[str, Any]) -> str:
    return str(metadata(obj).get("resourceVersion") or "")


def key(obj: Mapping[str, Any]) -> Key:
    """``(namespace, name)``; the namespace is empty for cluster-scoped objects."""
    m = metadata(obj)
    return str(m.get("namespace") or ""), str(m.get("name") or "")


def labels(obj: Mapping[str, Any]) -> dict[str, str]:
    return metadata(obj).get("labels") or {}


def annotations(obj: Mapping[str, Any]) -> dict[str, str]:
    return metadata(obj).get("annotations") or {}


def deleting(obj: Mapping[str, Any]) -> bool:
    return bool(metadata(obj).get("deletionTimestamp"))


def group_version(api_version: str) -> tuple[str, str]:
    """``("apps", "v1")`` of ``apps/v1``, ``("", "v1")`` of ``v1``."""
    group, slash, version = api_version.partition("/")
    return (group, version) if slash else ("", group)


def owner_reference(owner: Mapping[str, Any], *, controller: bool = True, block: bool = True) -> Object:
    """The reference to ``owner``, which must carry apiVersion, kind and metadata."""
    out: Object = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
    }
    if controller:
        out["controller"] = True
    if block:
        out["blockOwnerDeletion"] = True
    return out


def owner_references(obj: Mapping[str, Any]) -> list[Object]:
    return metadata(obj).get("ownerReferences") or []


def controller_of(obj: Mapping[str, Any]) -> Object | None:
    """The owner reference marked ``controller``, or None."""
    return next((r for r in owner_references(obj) if r.get("controller")), None)


def controlled_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    ref = controller_of(obj)
    return ref is not None and ref.get("uid") == uid(owner)


def object_reference(obj: Mapping[str, Any]) -> Object:
    """A core/v1 ObjectReference to ``obj``, as events and endpoints carry it."""
    out: Object = {"kind": obj.get("kind", ""), "apiVersion": obj.get("apiVersion", ""), "name": name(obj)}
    for field in ("namespace", "uid", "resourceVersion"):
        if value := metadata(obj).get(field):
            out[field] = value
    return out


def condition(obj: Mapping[str, Any], kind: str) -> Object | None:
    """The entry of ``status.conditions`` of that type, or None."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == kind), None)


def set_condition(conditions: list[Object], new: Object, at: str | None = None) -> list[Object]:
    """``conditions`` with ``new`` in place of its type; lastTransitionTime moves only with the status.

    A new list; the input is left as it is.
    """
    new = dict(new)
    old = next((c for c in conditions if c.get("type") == new["type"]), None)
    if old and old.get("status") == new.get("status") and old.get("lastTransitionTime"):
        new["lastTransitionTime"] = old["lastTransitionTime"]
    else:
        new.setdefault("lastTransitionTime", at or now())
    if old is None:
        return [*conditions, new]
    return [new if c is old else c for c in conditions]
