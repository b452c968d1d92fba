"""Whether this node takes a pod that somebody has put on it. Pure.

The scheduler asks the same before it binds; a pod with ``spec.nodeName`` of its own, or one that was bound while
another took the room, is seen by nobody but the node. What it refuses fails for good. Source: the kubelet's
``lifecycle`` and ``sysctl`` packages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kubette.agent import eviction, qos
from kubette.api import meta
from kubette.api.meta import Object
from kubette.api.placement import amounts, host_ports, node_suits, pod_requests, ports_clash
from kubette.api.taints import tolerated

Refusal = tuple[str, str]  # reason, message

#: They belong to a namespace of the pod's own, and do no harm to others. The rest would change the machine.
SAFE_SYSCTLS = frozenset({
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
})  # fmt: skip
_FIRST = ("pods", "cpu", "memory")  # the order in which they are looked at


def refusal(pod: Object, others: Sequence[Object], node: Object) -> Refusal | None:
    """Why the node refuses the pod; None when it takes it. ``others``: the pods that it has taken."""
    return next(_refusals(pod, others, node), None)


def refusal_under_pressure(pod: Object, conditions: Iterable[str]) -> Refusal | None:
    """Why a node with these pressure conditions refuses the pod; None when it takes it. A node that is short of memory
    alone takes pods that ask for some."""
    pressed = sorted(conditions)
    if not pressed or qos.is_critical(pod):
        return None
    if pressed == ["MemoryPressure"]:
        taint = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}
        if qos.qos_class(pod) != "BestEffort" or tolerated(taint, (pod.get("spec") or {}).get("tolerations") or ()):
            return None
    return eviction.REASON, f"The node had condition: [{' '.join(pressed)}]. "


def _refusals(pod: Object, others: Sequence[Object], node: Object) -> Iterator[Refusal]:
    spec = pod.get("spec") or {}
    yield from _sysctls(spec)
    yield from _confinement(spec)
    if ((spec.get("os") or {}).get("name") or "linux") != "linux":
        yield "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    yield from _resources(spec, others, node)
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    if not node_suits(spec.get("nodeSelector") or {}, affinity, meta.name(node), meta.labels(node)):
        yield _failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
    taken = [port for other in others for port in host_ports(other.get("spec") or {})]
    if any(ports_clash(mine, theirs) for mine in host_ports(spec) for theirs in taken):
        yield _failed("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    taints = [t for t in (node.get("spec") or {}).get("taints") or () if t.get("effect") == "NoExecute"]
    if not all(tolerated(t, spec.get("tolerations") or ()) for t in taints):
        yield _failed("TaintToleration", "node(s) had taints that the pod didn't tolerate")


def _failed(predicate: str, why: str) -> Refusal:
    return predicate, f"Predicate {predicate} failed: {why}"


def _resources(spec: Object, others: Sequence[Object], node: Object) -> Iterator[Refusal]:
    offered = amounts((node.get("status") or {}).get("allocatable"))
    used: dict[str, int] = {}
    for other in others:
        for name, amount in pod_requests(other.get("spec") or {})[0].items():
            used[name] = used.get(name, 0) + amount
    requested, _ = pod_requests(spec)
    for name in (*_FIRST, *sorted(requested.keys() - set(_FIRST))):
        amount = requested.get(name, 0)
        if name in offered and amount and amount > offered[name] - used.get(name, 0):
            figures = f"requested: {amount}, used: {used.get(name, 0)}, capacity: {offered[name]}"
            yield f"OutOf{name}", f"Node didn't have enough resource: {name}, {figures}"


def _confinement(spec: Object) -> Iterator[Refusal]:
    """What would keep a pod in its place and is not to be had here: it must not run without."""
    if spec.get("hostUsers") is False:
        yield "UserNamespaces", "Cannot set spec.hostUsers to false: this node does not support user namespaces"
    every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    contexts = [spec.get("securityContext") or {}, *(c.get("securityContext") or {} for c in every)]
    if any((context.get("appArmorProfile") or {}).get("type") == "Localhost" for context in contexts):
        yield "AppArmor", "Cannot enforce AppArmor: this node does not support profiles of its own"


def _sysctls(spec: Object) -> Iterator[Refusal]:
    for sysctl in (spec.get("securityContext") or {}).get("sysctls") or ():
        name = sysctl["name"].replace("/", ".")
        if name not in SAFE_SYSCTLS:
            yield "SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted'
        elif spec.get("hostNetwork") and name.startswith("net."):
            yield "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host net enabled'
        elif spec.get("hostIPC") and name.startswith("kernel."):
            yield "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host ipc enabled'
