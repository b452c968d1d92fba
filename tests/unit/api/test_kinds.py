"""The table of kinds: lookups and URL paths that routing, discovery and clients share."""

from __future__ import annotations

from kubette.api import kinds


def test_paths() -> None:
    assert kinds.resource("pods").path("default", "a", "log") == "/api/v1/namespaces/default/pods/a/log"
    assert kinds.resource("deployments.apps").path("x") == "/apis/apps/v1/namespaces/x/deployments"
    assert kinds.resource("nodes").path(name="n") == "/api/v1/nodes/n"


def test_lookups_agree_for_every_row() -> None:
    for kind in kinds.all_kinds():
        assert kinds.by_resource(kind.group, kind.version, kind.plural) is kind
        assert kinds.by_kind(kind.group, kind.version, kind.kind) is not None
        assert kind.schema and kind.proto
