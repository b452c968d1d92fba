"""The text of a pod's /etc/hosts and /etc/resolv.conf, and its hostname. Pure.

Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ and the kubelet's ``dns`` package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubette.api import meta
from kubette.api.meta import Object

_MAX_NAMESERVERS, _MAX_SEARCHES, _MAX_HOSTNAME = 3, 32, 63


@dataclass(frozen=True, slots=True)
class ResolvConf:
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def text(self) -> str:
        lines = []
        if self.searches:
            lines.append("search " + " ".join(self.searches))
        lines += [f"nameserver {ip}" for ip in self.nameservers]
        if self.options:
            lines.append("options " + " ".join(self.options))
        return "".join(line + "\n" for line in lines)


def parse_resolv_conf(text: str) -> ResolvConf:
    """The node's own file; the last ``search`` or ``domain`` counts, as in resolv.conf(5)."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        match words:
            case ["nameserver", ip, *_]:
                servers.append(ip)
            case ["search" | "domain", *rest]:
                searches = tuple(w.rstrip(".") or "." for w in rest)
            case ["options", *rest]:
                options += rest
    return ResolvConf(tuple(servers), searches, tuple(options))


def resolv_conf(pod: Object, node: ResolvConf, cluster_dns: Sequence[str], domain: str) -> ResolvConf:
    """By dnsPolicy, with dnsConfig merged in."""
    spec = pod.get("spec") or {}
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork"))
    if policy == "None":
        base = ResolvConf()
    elif cluster and cluster_dns:
        own = (f"{meta.namespace(pod)}.svc.{domain}", f"svc.{domain}", domain)
        base = ResolvConf(tuple(cluster_dns), _unique((*own, *node.searches)), ("ndots:5",))
    else:
        base = node
    extra = spec.get("dnsConfig") or {}
    options = dict(o.partition(":")[::2] for o in base.options)
    for option in extra.get("options") or ():
        options[option["name"]] = option.get("value") or ""
    return ResolvConf(
        _unique((*base.nameservers, *(extra.get("nameservers") or ())))[:_MAX_NAMESERVERS],
        _unique((*base.searches, *(extra.get("searches") or ())))[:_MAX_SEARCHES],
        tuple(f"{k}:{v}" if v else k for k, v in options.items()),
    )


def _unique(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def host_names(pod: Object, domain: str, node_name: str) -> tuple[str, str]:
    """(hostname, fully qualified name or ""). A pod on the host's network is called as the node is."""
    spec = pod.get("spec") or {}
    if override := spec.get("hostnameOverride"):
        return str(override), ""
    if spec.get("hostNetwork"):
        return node_name, ""
    hostname = str(spec.get("hostname") or meta.name(pod))[:_MAX_HOSTNAME].rstrip("-.")
    if subdomain := spec.get("subdomain"):
        full = f"{hostname}.{subdomain}.{meta.namespace(pod)}.svc.{domain}"
        return (full if spec.get("setHostnameAsFQDN") else hostname), full
    return hostname, ""


def hosts(pod: Object, ips: Sequence[str], domain: str, node_name: str, node_hosts: str = "") -> str:
    """The file's text. ``node_hosts``: the node's own, which a pod on the host's network starts from."""
    spec = pod.get("spec") or {}
    if spec.get("hostNetwork"):
        out = "# Kubernetes-managed hosts file (host network).\n" + node_hosts
    else:
        out = (
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
            "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
        )
        hostname, full = host_names(pod, domain, node_name)
        short = hostname.partition(".")[0] if full == hostname else hostname
        for ip in ips:
            out += f"{ip}\t{full}\t{short}\n" if full else f"{ip}\t{hostname}\n"
    if aliases := spec.get("hostAliases"):
        out += "\n# Entries added by HostAliases.\n"
        for alias in aliases:
            out += "\t".join([alias["ip"], *(alias.get("hostnames") or ())]) + "\n"
    return out
