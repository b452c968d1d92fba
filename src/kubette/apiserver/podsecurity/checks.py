"""What the Pod Security Standards forbid: one table of checks, each with its versions. Pure.

A check maps a pod's annotations and spec to a Violation, or to None where the pod is allowed. It works on pods and on
templates of pods that passed validation. Source: k8s.io/pod-security-admission/policy, one file a check there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from kubette.apiserver.podsecurity.policy import BASELINE, PRIVILEGED, RESTRICTED, LevelVersion

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """``reason`` names the rule, ``detail`` says which part of the pod breaks it."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


CheckPod = Callable[[Mapping[str, str], Object], "Violation | None"]


@dataclass(frozen=True, slots=True)
class Check:
    """``versions``: from which v1.N on which function checks. ``overrides``: the baseline checks that this one
    replaces at level restricted."""

    id: str
    level: str
    versions: tuple[tuple[int, CheckPod], ...]
    overrides: tuple[str, ...] = ()

    def at(self, minor: int) -> CheckPod | None:
        found = None
        for first, check in self.versions:
            if first <= minor:
                found = check
        return found


def evaluate(asked: LevelVersion, annotations: Mapping[str, str], spec: Object) -> list[Violation]:
    """What a pod breaks of a level, in upstream's order: baseline before restricted, then by the check's id."""
    if asked.level == PRIVILEGED:
        return []
    minor = _LAST if asked.minor is None else min(asked.minor, _LAST)
    return [found for check in _checks(asked.level, minor) if (found := check(annotations, spec)) is not None]


@cache
def _checks(level: str, minor: int) -> tuple[CheckPod, ...]:
    """The checks of a level at v1.``minor``, at most ``_LAST``."""
    wanted = (BASELINE, RESTRICTED) if level == RESTRICTED else (BASELINE,)
    active = [(check, run) for check in CHECKS if check.level in wanted and (run := check.at(minor))]
    overridden = {name for check, _ in active for name in check.overrides}
    return tuple(run for check, run in active if check.id not in overridden)


# ---- reading a pod


def _containers(spec: Object) -> Iterator[Object]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(kind) or ()


def _security(owner: Object) -> Object:
    """The securityContext of a pod's spec or of a container."""
    return owner.get("securityContext") or {}


def _list(noun: str, names: Iterable[str]) -> str:
    """``container "a"``, ``containers "a", "b"``."""
    found = list(names)
    return f"{noun if len(found) == 1 else noun + 's'} {_quoted(found)}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _uses(names: list[str]) -> str:
    return "uses" if len(names) == 1 else "use"


def _setters(pod: bool, containers: list[str]) -> str:
    """``pod and container "a"``: who sets a forbidden value. Empty if nobody does."""
    parts = ["pod"] if pod else []
    if containers:
        parts.append(_list("container", containers))
    return " and ".join(parts)


def _values(spec: Object, field: str) -> tuple[Any, list[tuple[str, Any]]]:
    """The value of a field of the pod's securityContext, and those of its containers by their names."""
    return _security(spec).get(field), [(c["name"], _security(c).get(field)) for c in _containers(spec)]


def _windows(spec: Object) -> bool:
    return (spec.get("os") or {}).get("name") == "windows"


def _unless(exempt: Callable[[Object], bool], check: CheckPod) -> CheckPod:
    def run(annotations: Mapping[str, str], spec: Object) -> Violation | None:
        return None if exempt(spec) else check(annotations, spec)

    return run


def _in_user_namespace(spec: Object) -> bool:
    return spec.get("hostUsers") is False


# ---- baseline


def _app_armor(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    pod, containers = _values(spec, "appArmorProfile")
    types = ("RuntimeDefault", "Localhost")
    bad_pod = pod is not None and pod.get("type") not in types
    bad = [(name, profile) for name, profile in containers if profile is not None and profile.get("type") not in types]
    values = {profile.get("type") or "" for _, profile in bad} | ({pod.get("type") or ""} if bad_pod else set())
    setters = _setters(bad_pod, [name for name, _ in bad])
    noted = sorted(
        f"{key}={_go_quoted(value)}" for key, value in annotations.items()
        if key.startswith("container.apparmor.security.beta.kubernetes.io/")
        and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )  # fmt: skip
    if noted:
        words = "annotation" if len(noted) == 1 else "annotations"
        setters = f"{setters} and {words}" if setters else words
    if not setters:
        return None
    found = [*sorted(values), *noted]
    reason = "forbidden AppArmor profile" if len(found) == 1 else "forbidden AppArmor profiles"
    return Violation(reason, f"{setters} must not set AppArmor profile type to {_quoted(found)}")


def _go_quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_DEFAULT_CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip


def _added(spec: Object, allowed: frozenset[str]) -> str:
    """Which containers add capabilities that are not allowed."""
    names, found = [], set()
    for container in _containers(spec):
        add = (_security(container).get("capabilities") or {}).get("add") or ()
        if bad := set(add) - allowed:
            names.append(container["name"])
            found |= bad
    if not names:
        return ""
    return f"{_list('container', names)} must not include {_quoted(sorted(found))} in securityContext.capabilities.add"


def _capabilities_baseline(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    detail = _added(spec, _DEFAULT_CAPABILITIES)
    return Violation("non-default capabilities", detail) if detail else None


def _host_namespaces(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    shared = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def _host_path(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    names = [v["name"] for v in spec.get("volumes") or () if v.get("hostPath") is not None]
    return Violation("hostPath volumes", _list("volume", names)) if names else None


def _host_ports(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    names, ports = [], set()
    for container in _containers(spec):
        if bad := {str(p["hostPort"]) for p in container.get("ports") or () if p.get("hostPort")}:
            names.append(container["name"])
            ports |= bad
    if not names:
        return None
    noun = "hostPort" if len(ports) == 1 else "hostPorts"
    return Violation(
        "hostPort", f"{_list('container', names)} {_uses(names)} {noun} {', '.join(sorted(ports))}"
    )


def _probe_hosts(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    names, hosts = set(), set()
    for container in _containers(spec):
        lifecycle = container.get("lifecycle") or {}
        handlers = [container.get(p) for p in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += [lifecycle.get(hook) for hook in ("postStart", "preStop")]
        for handler in filter(None, handlers):
            for action in ("httpGet", "tcpSocket"):
                if host := (handler.get(action) or {}).get("host"):
                    names.add(container["name"])
                    hosts.add(host)
    if not names:
        return None
    found = sorted(names)
    what = _list("probe or lifecycle host", sorted(hosts))
    return Violation("probe or lifecycle host", f"{_list('container', found)} {_uses(found)} {what}")


def _privileged(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    names = [c["name"] for c in _containers(spec) if _security(c).get("privileged")]
    if not names:
        return None
    return Violation("privileged", f"{_list('container', names)} must not set securityContext.privileged=true")


def _proc_mount(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    bad = [(n, v) for n, v in _values(spec, "procMount")[1] if v is not None and v != "Default"]
    if not bad:
        return None
    who, values = _list("container", [n for n, _ in bad]), _quoted(sorted({v for _, v in bad}))
    return Violation("procMount", f"{who} must not set securityContext.procMount to {values}")


def _seccomp_annotations(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    """Before v1.19 the profile was an annotation."""
    keys = ["seccomp.security.alpha.kubernetes.io/pod"]
    keys += [f"container.seccomp.security.alpha.kubernetes.io/{c['name']}" for c in _containers(spec)]
    bad = sorted({
        f"{key}={_go_quoted(annotations[key])}" for key in keys if key in annotations
        and annotations[key] not in ("runtime/default", "docker/default")
        and not annotations[key].startswith("localhost/")
    })  # fmt: skip
    if not bad:
        return None
    return Violation("seccompProfile", f"forbidden {'annotation' if len(bad) == 1 else 'annotations'} {', '.join(bad)}")


def _seccomp_baseline(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    pod, containers = _values(spec, "seccompProfile")
    bad_pod = pod is not None and not _good_seccomp(pod)
    bad = [(name, profile) for name, profile in containers if profile is not None and not _good_seccomp(profile)]
    setters = _setters(bad_pod, [name for name, _ in bad])
    if not setters:
        return None
    values = {p.get("type") or "" for p in [*([pod] if bad_pod else []), *(p for _, p in bad)]}
    words = f"{setters} must not set securityContext.seccompProfile.type to {_quoted(sorted(values))}"
    return Violation("seccompProfile", words)


def _good_seccomp(profile: Object) -> bool:
    return profile.get("type") in ("RuntimeDefault", "Localhost")


def _selinux(*types: str) -> CheckPod:
    allowed = frozenset({"", "container_t", "container_init_t", "container_kvm_t", *types})

    def bad(options: Object | None) -> bool:
        if options is None:
            return False
        return (options.get("type") or "") not in allowed or bool(options.get("user") or options.get("role"))

    def check(annotations: Mapping[str, str], spec: Object) -> Violation | None:
        pod, containers = _values(spec, "seLinuxOptions")
        setters = _setters(bad(pod), [name for name, options in containers if bad(options)])
        if not setters:
            return None
        given = [options for options in (pod, *(o for _, o in containers)) if options is not None]
        wrong = sorted({o.get("type") or "" for o in given} - allowed)
        data = [_list("type", wrong)] if wrong else []
        data += [f"{field} may not be set" for field in ("user", "role") if any(o.get(field) for o in given)]
        return Violation(
            "seLinuxOptions", f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"
        )

    return check


_SYSCTLS_1_0 = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)  # fmt: skip
_SYSCTLS_1_27 = (*_SYSCTLS_1_0, "net.ipv4.ip_local_reserved_ports")
_SYSCTLS_1_29 = (
    *_SYSCTLS_1_27, "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
)  # fmt: skip
_SYSCTLS_1_32 = (*_SYSCTLS_1_29, "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")


def _sysctls(allowed: tuple[str, ...]) -> CheckPod:
    def check(annotations: Mapping[str, str], spec: Object) -> Violation | None:
        names = [s["name"] for s in _security(spec).get("sysctls") or ()]
        bad = [name for name in names if name not in allowed]
        return Violation("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def _host_process(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    pod, containers = _values(spec, "windowsOptions")
    setters = _setters(
        bool((pod or {}).get("hostProcess")), [name for name, o in containers if (o or {}).get("hostProcess")]
    )
    if not setters:
        return None
    return Violation("hostProcess", f"{setters} must not set securityContext.windowsOptions.hostProcess=true")


# ---- restricted


def _privilege_escalation(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    names = [name for name, value in _values(spec, "allowPrivilegeEscalation")[1] if value is None or value]
    if not names:
        return None
    words = f"{_list('container', names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", words)


def _capabilities_restricted(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    keeps = [
        name for name, capabilities in _values(spec, "capabilities")[1]
        if "ALL" not in ((capabilities or {}).get("drop") or ())
    ]  # fmt: skip
    details = [f'{_list("container", keeps)} must set securityContext.capabilities.drop=["ALL"]'] if keeps else []
    if added := _added(spec, frozenset({"NET_BIND_SERVICE"})):
        details.append(added)
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


_VOLUMES = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
_RESTRICTED_VOLUMES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd",
    "flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk",
    "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos",
)  # fmt: skip


def _restricted_volumes(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    def has(volume: Object, sources: tuple[str, ...]) -> str:
        return next((source for source in sources if volume.get(source) is not None), "")

    bad = [v for v in spec.get("volumes") or () if not has(v, _VOLUMES)]
    if not bad:
        return None
    names = [v["name"] for v in bad]
    types = _list("restricted volume type", sorted({has(v, _RESTRICTED_VOLUMES) or "unknown" for v in bad}))
    return Violation("restricted volume types", f"{_list('volume', names)} {_uses(names)} {types}")


def _run_as_non_root(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    reason = "runAsNonRoot != true"
    pod, containers = _values(spec, "runAsNonRoot")
    if setters := _setters(pod is False, [name for name, value in containers if value is False]):
        return Violation(reason, f"{setters} must not set securityContext.runAsNonRoot=false")
    unset = [] if pod else [name for name, value in containers if value is None]
    if not unset:
        return None
    return Violation(reason, f"pod or {_list('container', unset)} must set securityContext.runAsNonRoot=true")


def _run_as_user(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    pod, containers = _values(spec, "runAsUser")
    setters = _setters(pod == 0, [name for name, value in containers if value == 0])
    return Violation("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def _seccomp_restricted(annotations: Mapping[str, str], spec: Object) -> Violation | None:
    if found := _seccomp_baseline(annotations, spec):
        return found
    pod, containers = _values(spec, "seccompProfile")
    unset = [] if pod is not None else [name for name, profile in containers if profile is None]
    if not unset:
        return None
    who = f"pod or {_list('container', unset)}"
    words = f'{who} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", words)


#: Baseline before restricted, each by its id: the order in which violations are listed.
CHECKS: tuple[Check, ...] = (
    Check("appArmorProfile", BASELINE, ((0, _app_armor),)),
    Check("capabilities_baseline", BASELINE, ((0, _capabilities_baseline),)),
    Check("hostNamespaces", BASELINE, ((0, _host_namespaces),)),
    Check("hostPathVolumes", BASELINE, ((0, _host_path),)),
    Check("hostPorts", BASELINE, ((0, _host_ports),)),
    Check("hostProbesAndHostLifecycle", BASELINE, ((34, _probe_hosts),)),
    Check("privileged", BASELINE, ((0, _privileged),)),
    Check("procMount", BASELINE, ((0, _proc_mount), (35, _unless(_in_user_namespace, _proc_mount)))),
    Check("seLinuxOptions", BASELINE, ((0, _selinux()), (31, _selinux("container_engine_t")))),
    Check("seccompProfile_baseline", BASELINE, ((0, _seccomp_annotations), (19, _seccomp_baseline))),
    Check("sysctls", BASELINE, (
        (0, _sysctls(_SYSCTLS_1_0)), (27, _sysctls(_SYSCTLS_1_27)), (29, _sysctls(_SYSCTLS_1_29)),
        (32, _sysctls(_SYSCTLS_1_32)),
    )),
    Check("windowsHostProcess", BASELINE, ((0, _host_process),)),
    Check("allowPrivilegeEscalation", RESTRICTED, (
        (8, _privilege_escalation), (25, _unless(_windows, _privilege_escalation)),
    )),
    Check("capabilities_restricted", RESTRICTED, (
        (22, _capabilities_restricted), (25, _unless(_windows, _capabilities_restricted)),
    ), ("capabilities_baseline",)),
    Check("procMount_restricted", RESTRICTED, ((35, _proc_mount),), ("procMount",)),
    Check("restrictedVolumes", RESTRICTED, ((0, _restricted_volumes),), ("hostPathVolumes",)),
    Check("runAsNonRoot", RESTRICTED, ((0, _run_as_non_root), (35, _unless(_in_user_namespace, _run_as_non_root)))),
    Check("runAsUser", RESTRICTED, ((23, _run_as_user), (35, _unless(_in_user_namespace, _run_as_user)))),
    Check("seccompProfile_restricted", RESTRICTED, (
        (19, _seccomp_restricted), (25, _unless(_windows, _seccomp_restricted)),
    ), ("seccompProfile_baseline",)),
)  # fmt: skip
#: The newest version that has a check of its own. Later ones are the same, and so is ``latest``.
_LAST = max(first for check in CHECKS for first, _ in check.versions)
