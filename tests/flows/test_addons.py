"""The packaged add-ons on the real API server: applied at every start, and nothing changes the second time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubette import addons, compose
from kubette.api.kinds import by_kind
from kubette.client.http import Client
from kubette.testing.apiserver import serving


async def test_applying_again_changes_nothing(tmp_path: Path) -> None:
    manifests = addons.manifests(("dns", "ingress"), cluster_ip="10.43.0.10")
    async with serving(tmp_path) as api:
        async with Client(compose.identity(api.pki.directory, api.url, "admin")) as client:

            async def stored() -> list[Any]:
                out = []
                for obj in manifests:
                    group, _, version = obj["apiVersion"].rpartition("/")
                    kind, named = by_kind(group, version, obj["kind"]), obj["metadata"]
                    assert kind is not None
                    out.append(await client.get(kind, named["name"], named.get("namespace")))
                return out

            await compose.apply(client, manifests)
            before = await stored()
            await compose.apply(client, manifests)
            assert await stored() == before
