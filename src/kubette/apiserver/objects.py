"""Objects in the store, by kind: reading for strategies and verbs, and the one way a write is appended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from kubette.api.errors import BadRequest, InternalError, Timeout
from kubette.api.kinds import Kind
from kubette.apiserver.convert import conversion, stored_resource
from kubette.store import Entry, Key, Store, StoreError

Object = dict[str, Any]


class Objects:
    """The store with kinds for keys. It is also the ``Reader`` that strategies get: that reads head."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # ---- Reader: head

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        entry = self.head(kind, namespace or "", name)
        return None if entry is None else self.load(entry)

    def list(self, kind: Kind, namespace: str | None = None) -> Iterator[Object]:
        for entry in self.store.head_list(stored_resource(kind), namespace or None):
            yield orjson.loads(entry.value)

    def values(self, kind: Kind, namespace: str) -> Sequence[bytes]:
        """The objects of a kind in a namespace, as they are stored."""
        return [entry.value for entry in self.store.head_list(stored_resource(kind), namespace)]

    # ---- damaged entries

    def refuse_damaged(self, kind: Kind, namespace: str, name: str) -> None:
        """Raises InternalError for an object whose stored bytes cannot be read."""
        if (stored_resource(kind), namespace, name) in self.store.damaged:
            raise InternalError(
                f'{kind.group_resource} "{name}": the stored object is damaged and cannot be read; delete it'
            )

    def remove_damaged(self, kind: Kind, namespace: str, name: str) -> Pending | None:
        """Remove what is stored of a damaged object; None where it is not damaged."""
        if (stored_resource(kind), namespace, name) not in self.store.damaged:
            return None
        meta = {"name": name, **({"namespace": namespace} if namespace else {}), "uid": ""}
        return self.put(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}, delete=True)

    # ---- entries

    def head(self, kind: Kind, namespace: str, name: str) -> Entry | None:
        return self.store.head(stored_resource(kind), namespace, name)

    def load(self, entry: Entry) -> Object:
        """The stored object as a dict of its own."""
        return load(entry)

    def find(self, resource: str, namespace: str, name: str) -> Object | None:
        """An object as it is stored now, by the store's resource name."""
        entry = self.store.head(resource, namespace, name)
        return None if entry is None else self.load(entry)

    def shown(self, entry: Entry) -> Pending:
        """An entry of head that is shown to a client: it waits until the entry is on disk."""
        return Pending(self.store.pending(entry.rev), entry.value)

    def put(self, kind: Kind, obj: Object, *, delete: bool = False) -> Pending:
        """Append the stored form ``obj``; its resourceVersion is set to the write's revision."""
        meta = obj["metadata"]
        encoded = b""

        def encode(rev: int) -> bytes:
            nonlocal encoded
            meta["resourceVersion"] = str(rev)
            encoded = encode_stored(obj)
            return encoded

        key = (stored_resource(kind), meta.get("namespace") or "", meta["name"])
        ack = self.store.delete(key, encode) if delete else self.store.put(key, encode)
        return Pending(ack, encoded)


def load(entry: Entry) -> Object:
    """The stored object as a dict of its own."""
    obj: Object = orjson.loads(entry.value)
    return obj


def is_sound(key: Key, value: bytes) -> bool:
    """Whether stored bytes are the object of that key."""
    try:
        meta = orjson.loads(value)["metadata"]
        return isinstance(value, bytes) and (meta.get("namespace") or "", meta["name"]) == key[1:]
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


class Pending:
    """A write that is on its way to disk. ``await wait()`` gives the bytes that were written."""

    __slots__ = ("_ack", "value")

    def __init__(self, ack: asyncio.Future[int] | None, value: bytes) -> None:
        self._ack = ack
        self.value = value

    def on_outcome(self, done: Callable[[], None] | None, refused: Callable[[], None] | None) -> None:
        """Call ``done`` when the write is on disk, or ``refused`` when it failed. Both run although no request may
        wait any more: a client that has gone must not leave an allocation behind."""
        ack = self._ack
        if ack is None or not (done or refused):
            return

        def call(ack: asyncio.Future[int]) -> None:
            hook = refused if ack.cancelled() or ack.exception() else done
            if hook is not None:
                hook()

        ack.add_done_callback(call)

    async def wait(self) -> bytes:
        """Raises InternalError when the datastore refused the write."""
        if self._ack is not None:
            try:
                await asyncio.shield(self._ack)
            except StoreError as e:
                raise InternalError(f"datastore: {e}") from e
        return self.value


def encode_stored(obj: Object) -> bytes:
    """An object's JSON. Raises BadRequest when the nesting is deeper than 254 levels."""
    try:
        return orjson.dumps(obj)
    except orjson.JSONEncodeError as e:
        raise BadRequest("exceeded max depth") from e


def storable(kind: Kind, obj: Object) -> Object:
    """The stored form of a served object."""
    change = conversion(kind)
    return change.store(obj) if change else obj


def served(kind: Kind, value: bytes) -> bytes:
    """The served bytes of a stored object."""
    change = conversion(kind)
    return orjson.dumps(change.serve(orjson.loads(value))) if change else value


def served_object(kind: Kind, obj: Object) -> Object:
    change = conversion(kind)
    return change.serve(obj) if change else obj


def too_new(asked: int, current: int) -> Timeout:
    """A list or get at a revision that does not exist yet."""
    return Timeout(
        f"Too large resource version: {asked}, current: {current}",
        details={
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
    )
