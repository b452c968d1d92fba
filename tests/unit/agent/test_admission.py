"""What a node refuses: the decision, with the kubelet's reasons and words."""

from __future__ import annotations

from typing import Any

import pytest

from kubette.agent.admission import refusal

Obj = dict[str, Any]

NODE: Obj = {
    "metadata": {"name": "node-1", "labels": {"zone": "a"}},
    "spec": {"taints": [{"key": "out", "effect": "NoExecute"}, {"key": "no", "effect": "NoSchedule"}]},
    "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3"}},
}
TOLERATES = [{"key": "out", "operator": "Exists"}]


def pod(cpu: str = "0", memory: str = "0", port: int = 0, **spec: Any) -> Obj:
    container: Obj = {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    if port:
        container["ports"] = [{"containerPort": 80, "hostPort": port}]
    return {"metadata": {"name": "p"}, "spec": {"containers": [container], "tolerations": TOLERATES, **spec}}


def with_sysctl(name: str, **spec: Any) -> Obj:
    return pod(securityContext={"sysctls": [{"name": name, "value": "1"}]}, **spec)


NODE_AFFINITY = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
TERM = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}


@pytest.mark.parametrize(
    ("asks", "others", "reason", "message"),
    [
        (pod("2"), [pod("500m")], "OutOfcpu",
         "Node didn't have enough resource: cpu, requested: 2000, used: 500, capacity: 2000"),
        (pod(memory="2Gi"), [], "OutOfmemory",
         "Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824"),
        (pod("9"), [pod()] * 3, "OutOfpods",
         "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"),
        (pod(nodeSelector={"zone": "b"}), [], "NodeAffinity", NODE_AFFINITY),
        (pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [TERM]}}}), [], "NodeAffinity", NODE_AFFINITY),
        (pod(port=8000), [pod(port=8000)], "NodePorts",
         "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"),
        (pod(tolerations=[]), [], "TaintToleration",
         "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"),
        (pod(os={"name": "windows"}), [], "PodOSNotSupported",
         "Failed to admit pod as the OS field doesn't match node OS"),
        (pod(hostUsers=False), [], "UserNamespaces",
         "Cannot set spec.hostUsers to false: this node does not support user namespaces"),
        (pod(securityContext={"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}}), [], "AppArmor",
         "Cannot enforce AppArmor: this node does not support profiles of its own"),
        (with_sysctl("kernel.panic"), [], "SysctlForbidden", 'forbidden sysctl: "kernel.panic" not allowlisted'),
        (with_sysctl("net/ipv4/tcp_rmem", hostNetwork=True), [], "SysctlForbidden",
         'forbidden sysctl: "net.ipv4.tcp_rmem" not allowed with host net enabled'),
        (with_sysctl("kernel.shm_rmid_forced", hostIPC=True), [], "SysctlForbidden",
         'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled'),
    ],
)  # fmt: skip
def test_refused(asks: Obj, others: list[Obj], reason: str, message: str) -> None:
    assert refusal(asks, others, NODE) == (reason, message)


@pytest.mark.parametrize(
    "asks",
    [
        pod("2", "1Gi", port=8000, nodeSelector={"zone": "a"}),
        with_sysctl("kernel.shm_rmid_forced"),
        pod(hostUsers=True, securityContext={"appArmorProfile": {"type": "RuntimeDefault"}}),
        {"spec": {"containers": [{"resources": {"requests": {"example.com/x": "1"}}}], "tolerations": TOLERATES}},
    ],
)
def test_taken(asks: Obj) -> None:
    assert refusal(asks, [pod(port=8001)], NODE) is None
