"""A registry without a server: objects go through the steps of ``registry/base.py``, in their order."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from kubette.api import errors, meta, schema
from kubette.api.kinds import Kind, resource
from kubette.apiserver import registry
from kubette.apiserver.registry import RegistryConfig, objectmeta
from kubette.apiserver.registry.base import Context, Object, SubresourceResult

NOW = "2030-01-01T00:00:00Z"


class World:
    """What is stored, and the writes that a client would make. Refused writes raise ``errors.Invalid``."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.warnings: list[str] = []  # of the last write

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        return self.objects.get((kind.group_resource, namespace or "", name))

    def list(self, kind: Kind, namespace: str | None = None) -> Iterable[Object]:
        return [o for (k, n, _), o in self.objects.items() if k == kind.group_resource and namespace in (None, n)]

    def context(self, subresource: str = "", dry_run: bool = False) -> Context:
        return Context("alice", ("devs",), lambda: NOW, self, subresource, dry_run)

    def create(self, name: str, obj: Object, *, dry_run: bool = False) -> Object:
        kind = resource(name)
        obj = copy.deepcopy({"apiVersion": kind.api_version, "kind": kind.kind, **obj})
        header = obj.setdefault("metadata", {})
        header.setdefault("name", "it")
        if kind.namespaced:
            header.setdefault("namespace", "default")
        header["uid"] = meta.new_uid()
        _structure(kind, obj)
        strategy, ctx = registry.strategy_for(kind), self.context(dry_run=dry_run)
        strategy.default(obj)
        strategy.prepare_create(obj, ctx)
        _refuse(kind, obj, objectmeta.validate_meta(kind, obj) + strategy.validate(obj, ctx))
        self.warnings = [*ctx.warnings, *strategy.warnings_on_create(obj, ctx)]
        if problems := strategy.allocate(obj, None, ctx):
            strategy.release(obj, None, ctx)
            _refuse(kind, obj, problems)
        if dry_run:
            strategy.release(obj, None, ctx)
        else:
            self._store(kind, obj)
        return copy.deepcopy(obj)

    def update(self, name: str, obj: Object, subresource: str = "") -> Object:
        kind, new = resource(name), copy.deepcopy(obj)
        old = self.objects[name, new["metadata"].get("namespace", ""), new["metadata"]["name"]]
        _structure(kind, new)
        strategy, ctx = registry.strategy_for(kind), self.context(subresource)
        strategy.default(new)
        strategy.prepare_update(new, old, ctx)
        found = objectmeta.validate_meta_update(kind, new, old) + strategy.validate_update(new, old, ctx)
        _refuse(kind, new, found)
        self.warnings = [*ctx.warnings, *strategy.warnings_on_update(new, old, ctx)]
        if problems := strategy.allocate(new, old, ctx):
            strategy.release(new, old, ctx)
            _refuse(kind, new, problems)
        self._store(kind, new)
        return copy.deepcopy(new)

    def delete(self, name: str, obj: Object) -> None:
        registry.strategy_for(resource(name)).deleted(obj)
        del self.objects[name, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]]

    def connect(self, name: str, obj: Object, sub: str, body: Object) -> SubresourceResult:
        strategy = registry.strategy_for(resource(name))
        result = strategy.connect(sub, copy.deepcopy(obj), body, self.context(sub))
        assert result is not None
        return result

    def _store(self, kind: Kind, obj: Object) -> None:
        key = kind.group_resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        self.objects[key] = copy.deepcopy(obj)


def _structure(kind: Kind, obj: Object) -> None:
    result = schema.check(kind, obj, "Strict")
    assert not result.errors, result.message


def _refuse(kind: Kind, obj: Object, found: list[errors.FieldError]) -> None:
    if found:
        raise errors.invalid_object(kind.kind, obj["metadata"].get("name", ""), found, kind.group)


@pytest.fixture
def world() -> Iterator[World]:
    registry.configure(RegistryConfig())
    yield World()
    registry.configure(RegistryConfig())


@pytest.fixture
def template() -> dict[str, Any]:
    container = {"name": "kubia", "image": "luksa/kubia", "ports": [{"containerPort": 8080}]}
    return {"metadata": {"labels": {"app": "kubia"}}, "spec": {"containers": [container]}}


def fields(error: errors.ApiError) -> list[str]:
    """``field: message`` of each cause."""
    return [f"{c['field']}: {c['message']}" for c in (error.details or {})["causes"]]
