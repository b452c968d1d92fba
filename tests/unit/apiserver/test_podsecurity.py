"""Pod Security: what each check forbids, in which versions and in which words; labels; updates; existing pods."""

# ruff: noqa: E501 (tables of inputs and messages)

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest

from kubette.apiserver.podsecurity.admission import existing_pods, is_significant_update
from kubette.apiserver.podsecurity.checks import CHECKS, evaluate
from kubette.apiserver.podsecurity.policy import BASELINE, LEVELS, RESTRICTED, LevelVersion, Policy, parse

Object = dict[str, Any]
P = "pod-security.kubernetes.io/"
APPARMOR, SECCOMP = "container.apparmor.security.beta.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/"
GOOD = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip


def broken(check: str, minor: int, spec: Object, annotations: dict[str, str] | None = None) -> str:
    """What one check says of a pod at v1.``minor``; empty: allowed."""
    run = next(c for c in CHECKS if c.id == check).at(minor)
    return str((run(annotations or {}, spec) if run else None) or "")


def one(name: str = "c", /, **security: Any) -> Object:
    """A container with this securityContext."""
    return {"name": name, "securityContext": security}


def spec(*containers: Object, **fields: Any) -> Object:
    return {"containers": list(containers or ({"name": "c"},)), **fields}


def volume(source: str, name: str = "v") -> Object:
    return {"name": name, source: {}}


def sysctl(*names: str) -> Object:
    return spec(securityContext={"sysctls": [{"name": n, "value": "0"} for n in names]})


MUST = "must not set AppArmor profile type to"
SELINUX = "set forbidden securityContext.seLinuxOptions:"
#: check, v1.N, what is allowed, what is not, and the words about it.
ROWS: list[tuple[str, int, list[Object], list[tuple[Object, str]]]] = [
    ("appArmorProfile", 0,
     [spec(), spec(one(appArmorProfile={"type": "Localhost"}), securityContext={"appArmorProfile": {"type": "RuntimeDefault"}})],
     [(spec(securityContext={"appArmorProfile": {"type": "Unconfined"}}),
       f'forbidden AppArmor profile (pod {MUST} "Unconfined")'),
      (spec(one("a", appArmorProfile={"type": "Unconfined"}), one("b", appArmorProfile={"type": "x"})),
       f'forbidden AppArmor profiles (containers "a", "b" {MUST} "Unconfined", "x")')]),
    ("capabilities_baseline", 0,
     [spec(one(capabilities={"add": ["CHOWN", "NET_BIND_SERVICE"]})), spec(one(capabilities={"drop": ["ALL"]}))],
     [(spec(one("a", capabilities={"add": ["SYS_ADMIN", "NET_RAW"]}), one("b", capabilities={"add": ["NET_RAW"]})),
       'non-default capabilities (containers "a", "b" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)'),
      (spec(one(capabilities={"add": ["chown"]})),
       'non-default capabilities (container "c" must not include "chown" in securityContext.capabilities.add)')]),
    ("hostNamespaces", 0, [spec(), spec(hostNetwork=False, hostPID=False)],
     [(spec(hostNetwork=True, hostPID=True, hostIPC=True), "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)")]),
    ("hostPathVolumes", 0, [spec(), spec(volumes=[volume("emptyDir")])],
     [(spec(volumes=[volume("hostPath", "a"), volume("hostPath", "b")]), 'hostPath volumes (volumes "a", "b")')]),
    ("hostPorts", 0, [spec({"name": "c", "ports": [{"containerPort": 1}, {"containerPort": 2, "hostPort": 0}]})],
     [(spec({"name": "c", "ports": [{"hostPort": 80}]}), 'hostPort (container "c" uses hostPort 80)'),
      (spec({"name": "a", "ports": [{"hostPort": 9}, {"hostPort": 80}]}, {"name": "b", "ports": [{"hostPort": 9}]}),
       'hostPort (containers "a", "b" use hostPorts 80, 9)')]),
    ("hostProbesAndHostLifecycle", 34,
     [spec({"name": "c", "livenessProbe": {"httpGet": {"port": 1, "host": ""}}, "lifecycle": {"preStop": {"exec": {}}}})],
     [(spec({"name": "c", "readinessProbe": {"tcpSocket": {"host": "1.2.3.4"}}}),
       'probe or lifecycle host (container "c" uses probe or lifecycle host "1.2.3.4")'),
      (spec({"name": "b", "startupProbe": {"httpGet": {"host": "z"}}},
            {"name": "a", "lifecycle": {"postStart": {"httpGet": {"host": "y"}}, "preStop": {"tcpSocket": {"host": "x"}}}}),
       'probe or lifecycle host (containers "a", "b" use probe or lifecycle hosts "x", "y", "z")')]),
    ("hostProbesAndHostLifecycle", 33, [spec({"name": "c", "livenessProbe": {"httpGet": {"host": "h"}}})], []),
    ("privileged", 0, [spec(), spec(one(privileged=False))],
     [(spec(one(privileged=True)), 'privileged (container "c" must not set securityContext.privileged=true)'),
      (spec({"name": "c"}, initContainers=[one("i", privileged=True)], ephemeralContainers=[one("e", privileged=True)]),
       'privileged (containers "i", "e" must not set securityContext.privileged=true)')]),
    ("procMount", 34, [spec(), spec(one(procMount="Default"))],
     [(spec(one(procMount="Unmasked"), hostUsers=False),
       'procMount (container "c" must not set securityContext.procMount to "Unmasked")')]),
    ("procMount", 35, [spec(one(procMount="Unmasked"), hostUsers=False)],
     [(spec(one(procMount="Unmasked")), 'procMount (container "c" must not set securityContext.procMount to "Unmasked")')]),
    ("procMount_restricted", 34, [spec(one(procMount="Unmasked"))], []),
    ("procMount_restricted", 35, [spec(one(procMount="Default"))],
     [(spec(one(procMount="Unmasked"), hostUsers=False),
       'procMount (container "c" must not set securityContext.procMount to "Unmasked")')]),
    ("seLinuxOptions", 30, [spec(), spec(one(seLinuxOptions={"level": "s0", "type": "container_kvm_t"}))],
     [(spec(one(seLinuxOptions={"type": "container_engine_t"})),
       f'seLinuxOptions (container "c" {SELINUX} type "container_engine_t")'),
      (spec(one(seLinuxOptions={"role": "r", "type": "b"}), securityContext={"seLinuxOptions": {"user": "u", "type": "a"}}),
       f'seLinuxOptions (pod and container "c" {SELINUX} types "a", "b"; user may not be set; role may not be set)')]),
    ("seLinuxOptions", 31, [spec(one(seLinuxOptions={"type": "container_engine_t"}))],
     [(spec(securityContext={"seLinuxOptions": {"user": "u"}}), f"seLinuxOptions (pod {SELINUX} user may not be set)")]),
    ("seccompProfile_baseline", 19,
     [spec(), spec(one(seccompProfile={"type": "Localhost"}), securityContext={"seccompProfile": {"type": "RuntimeDefault"}})],
     [(spec(one(seccompProfile={"type": "Unconfined"}), securityContext={"seccompProfile": {"type": "Unconfined"}}),
       'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")')]),
    ("sysctls", 26, [spec(), sysctl("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
                                    "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start")],
     [(sysctl("b", "net.ipv4.tcp_syncookies", "a"), "forbidden sysctls (b, a)"),
      (sysctl("net.ipv4.ip_local_reserved_ports"), "forbidden sysctls (net.ipv4.ip_local_reserved_ports)")]),
    ("sysctls", 27, [sysctl("net.ipv4.ip_local_reserved_ports")],
     [(sysctl("net.ipv4.tcp_fin_timeout"), "forbidden sysctls (net.ipv4.tcp_fin_timeout)")]),
    ("sysctls", 29, [sysctl("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
                            "net.ipv4.tcp_keepalive_probes")],
     [(sysctl("net.ipv4.tcp_rmem"), "forbidden sysctls (net.ipv4.tcp_rmem)")]),
    ("sysctls", 32, [sysctl("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")], [(sysctl("x"), "forbidden sysctls (x)")]),
    ("windowsHostProcess", 0, [spec(), spec(one(windowsOptions={"hostProcess": False}))],
     [(spec(one(windowsOptions={"hostProcess": True}), securityContext={"windowsOptions": {"hostProcess": True}}),
       'hostProcess (pod and container "c" must not set securityContext.windowsOptions.hostProcess=true)')]),
    ("allowPrivilegeEscalation", 7, [spec()], []),
    ("allowPrivilegeEscalation", 24, [spec(one(allowPrivilegeEscalation=False))],
     [(spec(os={"name": "windows"}),
       'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)')]),
    ("allowPrivilegeEscalation", 25, [spec(os={"name": "windows"})],
     [(spec(one("a"), one("b", allowPrivilegeEscalation=True)),
       'allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false)')]),
    ("capabilities_restricted", 21, [spec()], []),
    ("capabilities_restricted", 22, [spec(one(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}))],
     [(spec(os={"name": "windows"}),
       'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])'),
      (spec(one("a", capabilities={"add": ["CHOWN"], "drop": ["all"]}), {"name": "b"}),
       'unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]; '
       'container "a" must not include "CHOWN" in securityContext.capabilities.add)')]),
    ("capabilities_restricted", 25, [spec(os={"name": "windows"})],
     [(spec(), 'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])')]),
    ("restrictedVolumes", 0,
     [spec(volumes=[volume(s) for s in ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image",
                                        "persistentVolumeClaim", "projected", "secret")])],
     [(spec(volumes=[volume("hostPath")]),
       'restricted volume types (volume "v" uses restricted volume type "hostPath")'),
      (spec(volumes=[volume("nfs", "a"), volume("gitRepo", "b"), volume("novel", "d"), volume("secret", "s")]),
       'restricted volume types (volumes "a", "b", "d" use restricted volume types "gitRepo", "nfs", "unknown")')]),
    ("runAsNonRoot", 34,
     [spec(one(runAsNonRoot=True)), spec({"name": "c"}, securityContext={"runAsNonRoot": True})],
     [(spec(hostUsers=False), 'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'),
      (spec(one(runAsNonRoot=False), {"name": "d"}, securityContext={"runAsNonRoot": False}),
       'runAsNonRoot != true (pod and container "c" must not set securityContext.runAsNonRoot=false)'),
      (spec(one(runAsNonRoot=False), securityContext={"runAsNonRoot": True}),
       'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)')]),
    ("runAsNonRoot", 35, [spec(hostUsers=False)],
     [(spec(hostUsers=True), 'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)')]),
    ("runAsUser", 22, [spec(one(runAsUser=0))], []),
    ("runAsUser", 34, [spec(), spec(one(runAsUser=1), securityContext={"runAsUser": 5})],
     [(spec(one(runAsUser=0), securityContext={"runAsUser": 0}, hostUsers=False),
       'runAsUser=0 (pod and container "c" must not set runAsUser=0)')]),
    ("runAsUser", 35, [spec(one(runAsUser=0), hostUsers=False)],
     [(spec(one(runAsUser=0)), 'runAsUser=0 (container "c" must not set runAsUser=0)')]),
    ("seccompProfile_restricted", 18, [spec()], []),
    ("seccompProfile_restricted", 24,
     [spec(one(seccompProfile={"type": "Localhost"})), spec(securityContext={"seccompProfile": {"type": "RuntimeDefault"}})],
     [(spec(os={"name": "windows"}),
       'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'),
      (spec(one(seccompProfile={"type": "Unconfined"}), {"name": "d"}),
       'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")')]),
    ("seccompProfile_restricted", 25, [spec(os={"name": "windows"})],
     [(spec(),
       'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")')]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "minor", "allowed", "forbidden"), ROWS, ids=[f"{r[0]}-v1.{r[1]}" for r in ROWS])
def test_a_check(check: str, minor: int, allowed: list[Object], forbidden: list[tuple[Object, str]]) -> None:
    for pod in allowed:
        assert broken(check, minor, pod) == ""
    for pod, words in forbidden:
        assert broken(check, minor, pod) == words


def test_every_check_and_each_of_its_versions_has_a_row() -> None:
    tried = {(check, next(c for c in CHECKS if c.id == check).at(minor)) for check, minor, _, _ in ROWS}
    untried = {(c.id, run) for c in CHECKS for _, run in c.versions} - tried
    assert {check for check, _ in untried} == {"seccompProfile_baseline"}  # v1.0: annotations, below


def test_annotations() -> None:
    good = {f"{APPARMOR}c": "localhost/x", f"{APPARMOR}d": "runtime/default", f"{APPARMOR}e": ""}
    assert broken("appArmorProfile", 35, spec(), good) == ""
    bad = {f"{APPARMOR}c": "unconfined"}
    assert broken("appArmorProfile", 35, spec(), bad) == (
        f'forbidden AppArmor profile (annotation {MUST} "{APPARMOR}c="unconfined"")'
    )
    seccomp = {f"{SECCOMP}c": "unconfined", f"{SECCOMP}nosuch": "unconfined"}
    assert broken("seccompProfile_baseline", 18, spec(), seccomp) == (
        f'seccompProfile (forbidden annotation {SECCOMP}c="unconfined")'
    )
    assert broken("seccompProfile_baseline", 19, spec(), seccomp) == ""
    assert broken("seccompProfile_baseline", 18, spec(), {f"{SECCOMP}c": "docker/default"}) == ""


def violations(level: str, minor: int | None, pod: Object) -> list[str]:
    return [v.reason for v in evaluate(LevelVersion(level, minor), {}, pod)]


def test_levels_include_and_override_each_other() -> None:
    worst = spec(one(privileged=True, capabilities={"add": ["NET_RAW"]}, procMount="Unmasked", runAsUser=0),
                 hostNetwork=True, volumes=[volume("hostPath")])  # fmt: skip
    assert violations("privileged", None, worst) == []
    assert violations(BASELINE, None, worst) == [
        "non-default capabilities", "host namespaces", "hostPath volumes", "privileged", "procMount",
    ]  # fmt: skip
    assert violations(RESTRICTED, None, worst) == [
        "host namespaces", "privileged", "allowPrivilegeEscalation != false", "unrestricted capabilities",
        "procMount", "restricted volume types", "runAsNonRoot != true", "runAsUser=0", "seccompProfile",
    ]  # fmt: skip
    assert violations(RESTRICTED, 0, worst) == [
        "non-default capabilities", "host namespaces", "privileged", "procMount", "restricted volume types",
        "runAsNonRoot != true",
    ]  # fmt: skip
    assert violations(RESTRICTED, None, spec(one(**GOOD))) == []
    assert violations(RESTRICTED, 35, worst) == violations(RESTRICTED, 999, worst) == violations(RESTRICTED, None, worst)


def test_the_policy_of_a_namespace() -> None:
    restricted, old = LevelVersion(RESTRICTED), LevelVersion(BASELINE, 20)
    for labels, policy in (
        ({"unrelated": "x"}, Policy()),
        ({f"{P}enforce": "baseline", f"{P}enforce-version": "v1.20"}, Policy(enforce=old, warn=old)),
        ({f"{P}enforce": "baseline", f"{P}warn": "privileged"}, Policy(enforce=LevelVersion(BASELINE))),
        ({f"{P}enforce": "baseline", f"{P}warn": "restricted"}, Policy(enforce=LevelVersion(BASELINE), warn=restricted)),
        ({f"{P}enforce": "restricted", f"{P}warn-version": "v1.20"},
         Policy(enforce=restricted, warn=LevelVersion(RESTRICTED, 20))),
        ({f"{P}audit": "restricted", f"{P}audit-version": "latest"}, Policy(audit=restricted)),
    ):  # fmt: skip
        assert parse(labels) == (policy, [])


def test_wrong_labels_fail_closed_for_enforce_and_open_for_the_others() -> None:
    policy, errors = parse({f"{P}{mode}": "strict" for mode in ("enforce", "audit", "warn")})
    assert policy == Policy(enforce=LevelVersion(RESTRICTED))
    assert [str(e) for e in errors] == [
        f'metadata.labels[{P}{mode}]: Invalid value: "strict": must be one of privileged, baseline, restricted'
        for mode in ("enforce", "audit", "warn")
    ]
    for version in ("1.2", "v1.02", "v2.0", "v1.", "", "v1.99999999999999999999"):
        policy, errors = parse({f"{P}enforce-version": version})
        assert policy == Policy()
        assert [e.message for e in errors] == [f'Invalid value: "{version}": must be "latest" or "v1.x"']


def test_a_level_relaxes_another() -> None:
    for (i, new), (j, old) in itertools.product(enumerate(LEVELS), repeat=2):
        assert LevelVersion(new).relaxes(LevelVersion(old)) == (i <= j)
        assert LevelVersion(new, 3).relaxes(LevelVersion(old)) == (i == 0)


def test_which_updates_of_a_pod_are_checked() -> None:
    def pod(*images: str, **ephemeral: str) -> Object:
        return {"spec": {"containers": [{"name": f"c{i}", "image": image} for i, image in enumerate(images)],
                         "ephemeralContainers": [{"name": n, "image": i} for n, i in ephemeral.items()]}}  # fmt: skip

    assert not is_significant_update(pod("a"), pod("a"))
    assert not is_significant_update({**pod("a"), "metadata": {"labels": {"x": "y"}}}, pod("a"))
    assert is_significant_update(pod("b"), pod("a"))
    assert is_significant_update(pod("a", e="x"), pod("a"))
    assert is_significant_update(pod("a", e="y"), pod("a", e="x"))
    assert not is_significant_update(pod("a", e="x"), pod("a", e="x", f="x"))


def stored(name: str, owner: str = "", **fields: Any) -> bytes:
    owners = [{"uid": owner, "controller": True}] if owner else []
    return orjson.dumps({"metadata": {"name": name, "ownerReferences": owners}, "spec": spec(**fields)})


def test_existing_pods_are_grouped_by_what_they_break() -> None:
    pods = [stored("good"), stored("b", hostPID=True), stored("a", hostPID=True), stored("c", hostIPC=True),
            stored("d", volumes=[volume("hostPath")])]  # fmt: skip
    assert existing_pods("ns", LevelVersion(BASELINE), pods) == [
        'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 2 other pods): host namespaces",
        "d: hostPath volumes",
    ]
    assert existing_pods("ns", LevelVersion(BASELINE), pods[:1]) == []
    assert existing_pods("ns", LevelVersion(BASELINE), pods[1:3])[1] == "a (and 1 other pod): host namespaces"


def test_the_check_of_existing_pods_ends_in_time_and_looks_at_each_owner_first() -> None:
    """With a clock that moves 15 ms a look, the deadline comes long before the pods end."""
    pods = [stored(f"r{i}", "one") for i in range(4)] + [stored("last", hostPID=True)] + [stored("x")] * 95
    ticks = itertools.count(0, 0.015)
    said = existing_pods("ns", LevelVersion(BASELINE), pods, clock=lambda: next(ticks))
    checked = int(said[0].split("the first ")[1].split()[0])
    assert said[0] == f"new PodSecurity enforce level only checked against the first {checked} of 100 existing pods"
    assert 0 < checked < 20
    assert said[2] == "last: host namespaces"
    many = existing_pods("ns", LevelVersion(BASELINE), [stored("x")] * 3001, clock=lambda: 0.0)
    assert many == ["new PodSecurity enforce level only checked against the first 3000 of 3001 existing pods"]
