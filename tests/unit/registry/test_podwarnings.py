"""What upstream allows and warns of, in pods and in the templates of every workload."""

# ruff: noqa: E501 (a table of inputs and messages)

from __future__ import annotations

from typing import Any

import pytest

from kubette.api.kinds import resource
from kubette.apiserver import registry
from kubette.apiserver.registry import podwarnings

from .conftest import World
from .specs import change, good

_TERM = {"topologyKey": "kubernetes.io/hostname"}
_REQUIRED, _PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
_NULL = "a null labelSelector results in matching no pod"


def env(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": n, "value": v} for n, v in pairs]


def ports(*values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", **v} for v in values]


@pytest.mark.parametrize(
    ("path", "value", "warns"),
    [
        ("nodeSelector", {"beta.kubernetes.io/os": "linux"}, ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']),
        ("topologySpreadConstraints", [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}], [f"spec.topologySpreadConstraints[0].labelSelector: {_NULL}"]),
        ("affinity", {"podAntiAffinity": {_REQUIRED: [_TERM]}}, [f"spec.affinity.podAntiAffinity.{_REQUIRED}[0].labelSelector: {_NULL}"]),
        ("affinity", {"podAffinity": {_PREFERRED: [{"weight": 1, "podAffinityTerm": _TERM}]}}, [f"spec.affinity.podAffinity.{_PREFERRED}[0].podAffinityTerm.labelSelector: {_NULL}"]),
        ("affinity", {"podAffinity": {_REQUIRED: [{**_TERM, "labelSelector": {}}]}}, []),
        ("volumes", [{"name": "v", "gitRepo": {"repository": "r"}}], ["spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"]),
        ("volumes", [{"name": "v", "configMap": {"name": "m", "items": [{"key": "a", "path": "p"}, {"key": "b", "path": "p/q"}]}}], ['volume "v" (ConfigMap "m"): overlapping paths: "p/q" with "p"']),
        ("volumes", [{"name": "v", "projected": {"sources": [{}]}}], ['volume "v" (Projected) has no sources provided']),
        ("hostAliases", [{"ip": "1.2.3.4"}, {"ip": "1.2.3.4"}], ['spec.hostAliases[1].ip: duplicate ip "1.2.3.4"']),
        ("imagePullSecrets", [{}], ['spec.imagePullSecrets[0].name: invalid empty name ""']),
        ("terminationGracePeriodSeconds", -1, ["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"]),
        ("dnsConfig", {"nameservers": ["2001:DB8::1"]}, ['spec.dnsConfig.nameservers[0]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")']),
        ("containers.0.resources", {"requests": {"memory": "100m"}}, ['spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer']),
        ("containers.0.env", env(("A", "1"), ("A", "2")), ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply']),
        ("containers.0.env", env(("A", "1"), ("A", "$(A):2")), []),
        ("containers.0.ports", ports({"name": "p", "containerPort": 80}, {"name": "q", "containerPort": 80}), ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"]),
        ("containers.0.ports", ports({"containerPort": 80}, {"containerPort": 80, "hostPort": 8}), ["spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]"]),
        ("containers.0.ports", ports({"containerPort": 80, "hostPort": 8}, {"containerPort": 80, "hostPort": 8, "hostIP": "1.1.1.1"}), ["spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]"]),
        ("containers.0.ports", ports({"containerPort": 80, "hostIP": "1.1.1.1"}), ["spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.1.1.1}"]),
        ("containers.0.ports", ports({"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}), []),
    ],
)  # fmt: skip
def test_of_pods(path: str, value: Any, warns: list[str]) -> None:
    pod = change(good("pods"), f"spec.{path}", value)
    assert podwarnings.of_pod(pod) == warns
    assert podwarnings.of_template(pod, "a.b") == [w.replace("spec.", "a.b.spec.") for w in warns]


def test_a_port_name_that_two_containers_have() -> None:
    pod = good("pods")
    pod["spec"]["containers"] = [{**pod["spec"]["containers"][0], "name": n} for n in "ab"]
    pod["spec"]["containers"][1]["ports"] = [{"name": "http", "containerPort": 81}]
    other = "spec.containers[0].ports[0]"
    words = f"services and probes that select ports by name will use {other}"
    assert podwarnings.of_pod(pod) == [f'spec.containers[1].ports[0]: duplicate port name "http" with {other}, {words}']


@pytest.mark.parametrize(
    ("kind", "template", "names"),
    [
        ("podtemplates", "template", ""),
        ("replicationcontrollers", "spec.template", "Pod names and hostnames"),
        ("replicasets.apps", "spec.template", "Pod names and hostnames"),
        ("deployments.apps", "spec.template", "Pod names and hostnames"),
        ("statefulsets.apps", "spec.template", ""),
        ("daemonsets.apps", "spec.template", ""),
        ("jobs.batch", "spec.template", "Pod names and hostnames"),
        ("cronjobs.batch", "spec.jobTemplate.spec.template", "Pod names and hostnames"),
        ("pods", "", "the Pod's hostname"),
    ],
)
def test_every_workload_warns_of_its_template_and_name(world: World, kind: str, template: str, names: str) -> None:
    prefix = f"{template}." if template else ""
    obj = change(good(kind), f"{prefix}spec.containers.0.env", env(("A", "1"), ("A", "2")))
    obj["metadata"] = {"name": "a.b" if names else "a"}
    made = world.create(kind, obj)
    warned = list(registry.strategy_for(resource(kind)).warnings_on_create(made, world.context()))
    if names:
        assert warned.pop(0).startswith(f"metadata.name: this is used in {names}, which can result in surprising")
    assert warned == [f'{prefix}spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply']


def test_an_update_warns_when_the_spec_changes(world: World) -> None:
    obj = change(good("deployments.apps"), "spec.template.spec.containers.0.env", env(("A", "1"), ("A", "2")))
    made = world.create("deployments.apps", obj)
    strategy = registry.strategy_for(resource("deployments.apps"))
    assert not list(strategy.warnings_on_update(made, made, world.context()))
    changed = world.update("deployments.apps", change(dict(made), "spec.replicas", 3))
    assert list(strategy.warnings_on_update({**changed, "metadata": {**changed["metadata"], "generation": 3}}, changed, world.context()))
