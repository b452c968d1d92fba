"""The packaged add-ons: valid objects, with a cluster's own addresses in them."""

from __future__ import annotations

from typing import Any

import pytest

from kubette import addons
from kubette.api import schema
from kubette.api.kinds import by_kind

PARAMS = {"cluster_ip": "10.96.0.10", "domain": "corp.test", "image": "example/dns:1"}


def test_dns_has_the_cluster_s_addresses() -> None:
    objects = {o["kind"]: o for o in addons.manifests(["dns"], **PARAMS)}
    assert objects["Service"]["spec"]["clusterIP"] == "10.96.0.10"
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example/dns:1"
    assert container["args"][:2] == ["dns", "--domain=corp.test"]


@pytest.mark.parametrize("obj", addons.manifests(["dns"]), ids=lambda o: str(o["kind"]))
def test_every_object_passes_strict_validation(obj: dict[str, Any]) -> None:
    group, _, version = obj["apiVersion"].rpartition("/")
    kind = by_kind(group, version, obj["kind"])
    assert kind is not None
    assert schema.check(kind, obj, "Strict").errors == []


def test_dns_may_read_what_it_watches_and_nothing_else() -> None:
    (role,) = (o for o in addons.manifests(["dns"]) if o["kind"] == "ClusterRole")
    assert {r for rule in role["rules"] for r in rule["resources"]} == {"services", "namespaces", "endpointslices"}
    assert {v for rule in role["rules"] for v in rule["verbs"]} == {"list", "watch"}
