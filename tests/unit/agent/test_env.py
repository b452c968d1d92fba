"""Environment, expansion, hosts and resolv.conf: what a program finds when it starts."""

from __future__ import annotations

import base64

import pytest

from kubette.agent import env, files
from kubette.agent.expansion import expand

POD = {
    "metadata": {"name": "web", "namespace": "default", "uid": "u", "labels": {"app": "x"}},
    "spec": {"nodeName": "n", "containers": [{"name": "c", "resources": {"limits": {"cpu": "1500m"}}}]},
}


def service(name: str, ip: str, *ports: dict[str, object], namespace: str = "default") -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": list(ports)}}


def test_the_family_of_a_service() -> None:
    found = env.service_variables(
        [service("my-app", "10.43.0.7", {"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"})]
    )
    assert found == {
        "MY_APP_SERVICE_HOST": "10.43.0.7",
        "MY_APP_SERVICE_PORT": "80",
        "MY_APP_SERVICE_PORT_HTTP": "80",
        "MY_APP_SERVICE_PORT_DNS": "53",
        "MY_APP_PORT": "tcp://10.43.0.7:80",
        "MY_APP_PORT_80_TCP": "tcp://10.43.0.7:80",
        "MY_APP_PORT_80_TCP_PROTO": "tcp",
        "MY_APP_PORT_80_TCP_PORT": "80",
        "MY_APP_PORT_80_TCP_ADDR": "10.43.0.7",
        "MY_APP_PORT_53_UDP": "udp://10.43.0.7:53",
        "MY_APP_PORT_53_UDP_PROTO": "udp",
        "MY_APP_PORT_53_UDP_PORT": "53",
        "MY_APP_PORT_53_UDP_ADDR": "10.43.0.7",
    }


def test_headless_and_foreign_services_are_not_told() -> None:
    every = [
        service("kubernetes", "10.43.0.1", {"port": 443}),
        service("headless", "None", {"port": 1}),
        service("away", "10.43.0.9", {"port": 1}, namespace="other"),
        service("here", "10.43.0.8", {"port": 1}),
    ]
    assert [s["metadata"]["name"] for s in env.visible_services(every, "default", True)] == [
        "kubernetes",
        "headless",
        "here",
    ]
    assert "HEADLESS_SERVICE_HOST" not in env.service_variables(every)
    assert [s["metadata"]["name"] for s in env.visible_services(every, "other", False)] == ["kubernetes"]


def test_order_references_and_expansion() -> None:
    container = {
        "name": "c",
        "resources": {"limits": {"cpu": "1500m"}},
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "m"}}, {"secretRef": {"name": "no", "optional": True}}],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)-$(P_k)-$(S_SERVICE_HOST)-$$(A)-$(NO)"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        ],
    }
    assert env.references(container) == ({"m"}, {"no", "s"})
    out = env.build(
        POD,
        container,
        env.Sources(
            services=[service("s", "10.43.0.2", {"port": 1})],
            config_maps={"m": {"data": {"k": "v", "bad=key": "x"}}},
            secrets={"s": {"data": {"k": base64.b64encode(b"pw").decode()}}},
            pod_ips=("10.42.0.2",),
            allocatable={"memory": "2Gi"},
        ),
    )
    assert out["B"] == "1-v-10.43.0.2-$(A)-$(NO)"
    assert (out["KEY"], out["IP"], out["APP"], out["CPU"], out["MEM"]) == ("pw", "10.42.0.2", "x", "2", "2048")
    assert "P_bad=key" not in out


def test_what_is_missing_is_said_as_upstream_says_it() -> None:
    def build(value: dict[str, object]) -> dict[str, str]:
        sources = env.Sources(config_maps={"m": {"data": {}}})
        return env.build(POD, {"name": "c", "env": [{"name": "X", "valueFrom": value}]}, sources)

    with pytest.raises(env.ConfigError, match="couldn't find key k in ConfigMap default/m"):
        build({"configMapKeyRef": {"name": "m", "key": "k"}})
    with pytest.raises(env.ConfigError, match='secret "s" not found'):
        build({"secretKeyRef": {"name": "s", "key": "k"}})
    assert "X" not in build({"configMapKeyRef": {"name": "m", "key": "k", "optional": True}})


def test_expand() -> None:
    assert expand("$(A) $$(A) $$$(A) $(B) $A $(", {"A": "a"}.get) == "a $(A) $a $(B) $A $("


def test_resolv_conf_by_policy() -> None:
    node = files.parse_resolv_conf("search example.org\nnameserver 192.0.2.53\noptions edns0\n")

    def conf(**spec: object) -> str:
        return files.resolv_conf({**POD, "spec": spec}, node, ["10.43.0.10"], "cluster.local").text()

    cluster = (
        "search default.svc.cluster.local svc.cluster.local cluster.local example.org\n"
        "nameserver 10.43.0.10\noptions ndots:5\n"
    )
    own = "search example.org\nnameserver 192.0.2.53\noptions edns0\n"
    assert conf() == conf(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet") == cluster
    assert conf(dnsPolicy="Default") == conf(hostNetwork=True) == own
    extra = {"nameservers": ["1.2.3.4"], "options": [{"name": "ndots", "value": "2"}]}
    assert conf(dnsPolicy="None", dnsConfig=extra) == "nameserver 1.2.3.4\noptions ndots:2\n"
    assert "options ndots:2\n" in conf(dnsConfig=extra)


def test_hostnames() -> None:
    pod = {**POD, "spec": {"hostname": "h", "subdomain": "sub", "hostAliases": [{"ip": "1.1.1.1", "hostnames": ["a"]}]}}
    assert files.host_names(pod, "cluster.local", "n") == ("h", "h.sub.default.svc.cluster.local")
    text = files.hosts(pod, ["10.42.0.2"], "cluster.local", "n")
    assert "10.42.0.2\th.sub.default.svc.cluster.local\th\n" in text
    assert text.endswith("1.1.1.1\ta\n")
    assert files.host_names({**POD, "spec": {"hostNetwork": True}}, "d", "node-1") == ("node-1", "")


def test_env_from_takes_keys_that_are_no_shell_identifiers() -> None:
    container = {"name": "c", "envFrom": [{"prefix": "p-", "configMapRef": {"name": "m"}}]}
    pod = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"containers": [container]}}
    sources = env.Sources(config_maps={"m": {"data": {"1-key.x": "yes"}}})
    assert env.build(pod, container, sources) == {"p-1-key.x": "yes"}
