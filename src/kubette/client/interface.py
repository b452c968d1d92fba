"""The client as a component needs it: the seam that ``http.Client`` and the fake API both fill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol

from kubette.api.kinds import Kind

Obj = dict[str, Any]
Propagation = Literal["Background", "Foreground", "Orphan"]


class Api(Protocol):
    """Verbs on kinds; failures are ``kubette.api.errors``. See ``http.Client`` for each."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Obj: ...

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Obj: ...

    async def create(
        self,
        kind: Kind,
        obj: Obj,
        namespace: str | None = None,
        *,
        name: str | None = None,
        subresource: str | None = None,
    ) -> Obj: ...

    async def update(self, kind: Kind, obj: Obj, *, subresource: str | None = None) -> Obj: ...

    async def patch(
        self,
        kind: Kind,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        type: Literal["merge", "strategic", "json"] = "merge",
    ) -> Obj: ...

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
    ) -> Obj: ...

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> AsyncIterator[tuple[str, Obj]]: ...
