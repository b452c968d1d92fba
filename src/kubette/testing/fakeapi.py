"""An API server in memory, with the methods of ``kubette.client.http.Client``: for tests of whatever talks to the API.

It has what controllers lean on (revisions, conflicts, generations, finalizers, graceful pod deletion,
deletion propagation, status apart from spec, bindings, watches that resume and expire) and nothing of
validation, defaulting, allocation or access control. The same flows run on the real server.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

from kubette.api import errors, meta, selectors
from kubette.api import patch as patches
from kubette.api.kinds import Kind, resource
from kubette.testing.fakeapi_rules import finished, new_namespace, scale_of, selectable, with_scale

Obj = dict[str, Any]
Key = tuple[str, str]
Refuse = Callable[[str, Kind, Obj], errors.ApiError | None]


class FakeApi:
    """A server and a client of it in one. ``writes`` logs (verb, kind, name) of everything accepted."""

    def __init__(self) -> None:
        self.revision = 0
        self.writes: list[tuple[str, str, str]] = []
        #: Asked before each write with (verb, kind, object); an error that it returns is raised.
        self.refuse: Refuse = lambda verb, kind, obj: None
        self._store: dict[str, dict[Key, Obj]] = {}
        self._log: list[tuple[int, str, str, Obj, Obj | None]] = []  # revision, kind, type, object, old
        self._oldest = 0
        self._changed: set[asyncio.Event] = set()

    # -- for tests ---------------------------------------------------------------------------------

    def all(self, kind: str, namespace: str | None = None) -> list[Obj]:
        """What is stored now, by name."""
        rows = self._store.get(kind, {})
        return [copy.deepcopy(rows[k]) for k in sorted(rows) if namespace is None or k[0] == namespace]

    def find(self, kind: str, name: str, namespace: str = "default") -> Obj | None:
        k = resource(kind)
        out = self._store.get(kind, {}).get((namespace if k.namespaced else "", name))
        return copy.deepcopy(out)

    async def until(self, holds: Callable[[], Any], timeout: float = 5.0) -> Any:
        """Wait until ``holds()`` is true (looked at after each write) and return it."""
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            async with asyncio.timeout(timeout):
                while not (out := holds()):
                    await changed.wait()
                    changed.clear()
                return out
        except TimeoutError:
            raise AssertionError(f"did not come true within {timeout} s") from None
        finally:
            self._changed.discard(changed)

    def compact(self) -> None:
        """Forget the history: watches from before are Expired."""
        self._log.clear()
        self._oldest = self.revision
        self._wake()

    # -- the client's methods ----------------------------------------------------------------------

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Obj:
        return copy.deepcopy(self._row(kind, name, namespace))

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Obj:
        chosen = _matcher(kind, namespace, label_selector, field_selector)
        items = [copy.deepcopy(o) for o in self._store.get(kind.group_resource, {}).values() if chosen(o)]
        for item in items:  # as a real list has it
            item.pop("apiVersion", None)
            item.pop("kind", None)
        return {
            "apiVersion": kind.api_version,
            "kind": kind.list_kind,
            "metadata": {"resourceVersion": str(self.revision)},
            "items": items,
        }

    async def create(
        self,
        kind: Kind,
        obj: Obj,
        namespace: str | None = None,
        *,
        name: str | None = None,
        subresource: str | None = None,
    ) -> Obj:
        await asyncio.sleep(0)
        obj = copy.deepcopy(obj)
        namespace = namespace or meta.namespace(obj) or None
        if subresource:
            return self._connect(kind, name or "", namespace, subresource, obj)
        self._check("create", kind, obj)
        m = obj.setdefault("metadata", {})
        if not m.get("name"):
            m["name"] = meta.generate_name(m.get("generateName", ""))
        if kind.namespaced:
            m["namespace"] = namespace
            home = self.find("namespaces", namespace or "")
            if home is not None and meta.deleting(home):
                raise errors.Forbidden(
                    f'{kind.group_resource} "{m["name"]}" is forbidden: unable to create new content in '
                    f"namespace {namespace} because it is being terminated",
                    details={"causes": [{"reason": "NamespaceTerminating"}]},
                )
        if meta.key(obj) in self._store.setdefault(kind.group_resource, {}):
            raise errors.already_exists(kind.plural, m["name"], kind.group)
        m.update(uid=meta.new_uid(), creationTimestamp=meta.now(), generation=1)
        obj.update(apiVersion=kind.api_version, kind=kind.kind)
        if kind.subresource("status") is not None:
            obj.pop("status", None)
        if kind.group_resource == "pods":
            obj["status"] = {"phase": "Pending"}
        if kind.group_resource == "namespaces":
            new_namespace(obj)
        self._append("ADDED", kind, obj, None)
        self.writes.append(("create", kind.group_resource, m["name"]))
        return copy.deepcopy(obj)

    async def update(self, kind: Kind, obj: Obj, *, subresource: str | None = None) -> Obj:
        await asyncio.sleep(0)
        name, namespace = meta.name(obj), meta.namespace(obj)
        old = self._row(kind, name, namespace)
        version = meta.resource_version(obj)
        if version and version != meta.resource_version(old):
            raise errors.conflict(kind.plural, name, kind.group)
        if subresource == "scale":
            obj = with_scale(old, obj)
        return self._replace("update", kind, old, copy.deepcopy(obj), subresource)

    async def patch(
        self,
        kind: Kind,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        type: Literal["merge", "strategic", "json"] = "merge",
    ) -> Obj:
        await asyncio.sleep(0)
        old = self._row(kind, name, namespace)
        base = scale_of(old) if subresource == "scale" else old
        if type == "json":
            new = patches.json_patch(base, patch)
        elif type == "strategic":
            new = patches.strategic_merge(kind.schema, base, patch)
        else:
            new = patches.merge_patch(base, patch)
        if new["metadata"].get("uid") != meta.uid(base):
            why = errors.invalid("metadata.uid", new["metadata"].get("uid"), "field is immutable")
            raise errors.invalid_object(kind.kind, name, [why], kind.group)
        if meta.resource_version(new) != meta.resource_version(base):
            raise errors.conflict(kind.plural, name, kind.group)
        if subresource == "scale":
            new = with_scale(old, new)
        return self._replace("patch", kind, old, copy.deepcopy(new), subresource)

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
    ) -> Obj:
        await asyncio.sleep(0)
        old = self._row(kind, name, namespace)
        if (uid or meta.uid(old)) != meta.uid(old) or (
            (resource_version or meta.resource_version(old)) != meta.resource_version(old)
        ):
            raise errors.conflict(kind.plural, name, kind.group, "the precondition failed")
        self._check("delete", kind, old)
        self.writes.append(("delete", kind.group_resource, name))
        new = copy.deepcopy(old)
        m = new["metadata"]
        extra = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation or "")
        if extra and extra not in m.setdefault("finalizers", []):
            m["finalizers"].append(extra)
        if kind.group_resource == "pods":
            spec, phase = new.get("spec", {}), new.get("status", {}).get("phase")
            grace = spec.get("terminationGracePeriodSeconds", 30) if grace_seconds is None else grace_seconds
            if not spec.get("nodeName") or phase in ("Succeeded", "Failed"):
                grace = 0
            m["deletionGracePeriodSeconds"] = min(grace, m.get("deletionGracePeriodSeconds", grace))
        m.setdefault("deletionTimestamp", meta.now())
        if kind.group_resource == "namespaces":
            new["status"] = {**new.get("status", {}), "phase": "Terminating"}
        self._finish_write(kind, old, new)
        return copy.deepcopy(new)

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> AsyncIterator[tuple[str, Obj]]:
        chosen = _matcher(kind, namespace, label_selector, field_selector)
        at = int(resource_version)
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            while True:
                changed.clear()
                if at < self._oldest:
                    raise errors.Expired(f"too old resource version: {at} ({self._oldest})")
                for revision, where, type_, obj, old in self._log[self._after(at) :]:
                    at = revision
                    if where != kind.group_resource:
                        continue
                    seen = old is not None and chosen(old)
                    wanted = type_ != "DELETED" and chosen(obj)
                    if wanted:
                        yield ("MODIFIED" if seen else "ADDED"), copy.deepcopy(obj)
                    elif seen:
                        yield "DELETED", copy.deepcopy(obj)
                if at >= self.revision:
                    await changed.wait()
        finally:
            self._changed.discard(changed)

    # -- inside ------------------------------------------------------------------------------------

    def _after(self, revision: int) -> int:
        import bisect

        return bisect.bisect_right(self._log, revision, key=lambda row: row[0])

    def _check(self, verb: str, kind: Kind, obj: Obj) -> None:
        if (error := self.refuse(verb, kind, obj)) is not None:
            raise error

    def _row(self, kind: Kind, name: str, namespace: str | None) -> Obj:
        found = self._store.get(kind.group_resource, {}).get((namespace or "", name))
        if found is None:
            raise errors.not_found(kind.plural, name, kind.group)
        return found

    def _replace(self, verb: str, kind: Kind, old: Obj, new: Obj, subresource: str | None) -> Obj:
        self._check(verb, kind, new)
        self.writes.append((verb, kind.group_resource, meta.name(old)))
        has_status = kind.subresource("status") is not None
        if subresource == "status":
            new = {**old, "status": new.get("status", {})}
        elif has_status and "status" in old:
            new["status"] = old["status"]
        fixed = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
        kept = {k: old["metadata"][k] for k in fixed if k in old["metadata"]}
        new["metadata"] = {**{k: v for k, v in new["metadata"].items() if k not in fixed}, **kept}
        new["metadata"]["resourceVersion"] = meta.resource_version(old)
        new.update(apiVersion=kind.api_version, kind=kind.kind)
        if new == old:
            return copy.deepcopy(old)
        apart = {"metadata", "status", "apiVersion", "kind"}
        if {k: v for k, v in new.items() if k not in apart} != {k: v for k, v in old.items() if k not in apart}:
            new["metadata"]["generation"] = old["metadata"]["generation"] + 1
        self._finish_write(kind, old, new)
        return copy.deepcopy(new)

    def _finish_write(self, kind: Kind, old: Obj, new: Obj) -> None:
        """Store what is left of an object: nothing, when it is deleted and nobody holds it."""
        if finished(kind, new):
            del self._store[kind.group_resource][meta.key(old)]
            self._append("DELETED", kind, new, old)
        elif new != old:
            self._append("MODIFIED", kind, new, old)

    def _append(self, type_: str, kind: Kind, obj: Obj, old: Obj | None) -> None:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        if type_ != "DELETED":
            self._store[kind.group_resource][meta.key(obj)] = copy.deepcopy(obj)
        self._log.append((self.revision, kind.group_resource, type_, copy.deepcopy(obj), old))
        self._wake()

    def _wake(self) -> None:
        for event in self._changed:
            event.set()

    def _connect(self, kind: Kind, name: str, namespace: str | None, sub: str, body: Obj) -> Obj:
        old = self._row(kind, name, namespace)
        self._check(sub, kind, old)
        self.writes.append((sub, kind.group_resource, name))
        new = copy.deepcopy(old)
        if sub == "binding":
            if new["spec"].get("nodeName"):
                raise errors.conflict("pods/binding", name, why=f"pod {name} is already assigned to a node")
            if (body.get("metadata") or {}).get("uid") not in (None, meta.uid(old)):
                raise errors.conflict("pods/binding", name, why="the UID in the precondition differs")
            new["spec"]["nodeName"] = body["target"]["name"]
            scheduled = {"type": "PodScheduled", "status": "True"}
            status = new.setdefault("status", {})
            status["conditions"] = meta.set_condition(status.get("conditions", []), scheduled)
            self._finish_write(kind, old, new)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def _matcher(kind: Kind, namespace: str | None, labels: str | None, fields: str | None) -> Callable[[Obj], bool]:
    by_label = selectors.parse_labels(labels or "")
    by_field = selectors.parse_fields(fields or "")

    def matches(obj: Obj) -> bool:
        return (
            (not namespace or meta.namespace(obj) == namespace)
            and by_label.matches(meta.labels(obj))
            and by_field.matches(selectable(kind, obj))
        )

    return matches
