"""A plan and its slots → HAProxy's files, and changes of slots → commands of its runtime API. Pure.

Routing is lookups in maps keyed by host and path, so it costs the same with one Ingress as with thousands.
Source: HAProxy 2.6's configuration and management manuals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubette.ingress.routing import UNAVAILABLE, Backend, Plan
from kubette.ingress.slots import Change, Slots

CONFIG = "haproxy.cfg"
_HOSTS_PER_LINE = 100  # of a crt-list, whose lines are at most 64 KiB and 2,048 words
_NOWHERE = "127.0.0.1:1"  # of a free slot, which is in maintenance
_SERVER = {"http": "", "https": " ssl verify none", "h2c": " proto h2"}
_POOL = " pool-max-conn 64"  # idle connections kept to one endpoint


@dataclass(frozen=True, slots=True)
class Settings:
    """``http``, ``https``, ``health``: bind addresses. ``socket``: where this worker takes commands.
    ``hard_stop``: seconds that a worker which was replaced may go on."""

    http: str
    https: str
    health: str
    socket: Path
    max_connections: int
    hard_stop: int = 300


def files(plan: Plan, slots: Mapping[str, Slots], settings: Settings, directory: Path) -> dict[str, str]:
    """Name → contents of every file; the configuration is CONFIG and expects the others in ``directory``."""
    out = {
        CONFIG: "".join(_config(plan, slots, settings, directory)),
        "exact.map": _map(plan.exact),
        "prefix.map": _map(plan.prefix),
        "defaults.map": _map(plan.defaults),
        "certificates": "",
    }
    for i, sni in enumerate(plan.certificates):
        out[f"{i}.pem"] = sni.pem
        for at in range(0, len(sni.hosts), _HOSTS_PER_LINE) or (0,):
            hosts = sni.hosts[at : at + _HOSTS_PER_LINE]
            out["certificates"] += " ".join((str(directory / f"{i}.pem"), *hosts)) + "\n"
    return out


def _map(rows: Mapping[str, str]) -> str:
    return "".join(f"{key} {backend}\n" for key, backend in sorted(rows.items()))


def _config(plan: Plan, slots: Mapping[str, Slots], s: Settings, directory: Path) -> Iterable[str]:
    strict = "" if plan.certificates and not plan.certificates[0].hosts else " strict-sni"
    yield f"""\
global
  nbthread 1
  maxconn {s.max_connections}
  hard-stop-after {s.hard_stop}s
  stats socket {s.socket} mode 600 level admin expose-fd listeners
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 30s
  timeout tunnel 1h
  option idle-close-on-response
  option dontlognull
frontend health
  bind {s.health}
  http-request return status 200 content-type text/plain string "ok" if {{ path /healthz }}
  http-request return status 404
frontend ingress
  bind {s.http}
"""
    if plan.certificates:
        yield f"  bind {s.https} ssl crt-list {directory / 'certificates'}{strict} alpn h2,http/1.1\n"
    yield """\
  http-request deny deny_status 400 if { req.hdr(host) -m sub / }
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto http unless { ssl_fc }
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-var(txn.path) path
  http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)
  http-request set-var(txn.any) var(txn.host),regsub(^[^.]*,*)
  http-request set-var(txn.none) str()
"""
    for host in ("host", "any", "none"):
        for key, table in (("concat(,txn.path),map_str", "exact"), ("concat(,txn.path,/),map_beg", "prefix")):
            yield (
                f"  http-request set-var(txn.to) var(txn.{host}),{key}({directory}/{table}.map)"
                " unless { var(txn.to) -m found }\n"
            )
    for host in ("host", "any"):
        yield (
            f"  http-request set-var(txn.to) var(txn.{host}),map_str({directory}/defaults.map)"
            " unless { var(txn.to) -m found }\n"
        )
    yield f"""\
  use_backend %[var(txn.to)] if {{ var(txn.to) -m found }}
  default_backend {plan.default or "unrouted"}
backend unrouted
  http-request return status 404 content-type text/plain string "no Ingress has a rule for this host and path\\n"
backend {UNAVAILABLE}
  http-request return status 503 content-type text/plain string "the service or port of this Ingress does not exist\\n"
"""
    for name, backend in sorted(plan.backends.items()):
        yield from _backend(name, backend, slots[name])


def _backend(name: str, backend: Backend, slots: Slots) -> Iterable[str]:
    """Connections that fail are tried elsewhere; requests only where repeating them is harmless."""
    yield f"""\
backend {name}
  balance roundrobin
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response
  http-request disable-l7-retry unless {{ method GET HEAD OPTIONS }}
"""
    for i, endpoint in enumerate(slots):
        where = f"{_bracketed(endpoint.address)}:{endpoint.port}" if endpoint else f"{_NOWHERE} disabled"
        yield f"  server s{i} {where}{_SERVER[backend.protocol]}{_POOL}\n"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def commands(name: str, backend: Backend, changes: Iterable[Change]) -> list[str]:
    """The commands for a running worker, in order."""
    out = []
    for change in changes:
        server, endpoint = f"{name}/s{change.slot}", change.endpoint
        if endpoint is None:
            out.append(f"set server {server} state maint")
        elif change.new:
            where = f"{_bracketed(endpoint.address)}:{endpoint.port}"
            out += [f"add server {server} {where}{_SERVER[backend.protocol]}{_POOL}", f"enable server {server}"]
        else:
            out.append(f"set server {server} addr {endpoint.address} port {endpoint.port}")
            out.append(f"set server {server} state ready")
    return out


def refusals(answer: str) -> list[str]:
    """The lines of a worker's answer that say that a command failed."""
    fine = ("IP changed", "port changed", "no need to change", "New server registered.")
    return [line for line in answer.splitlines() if line.strip() and not line.strip().startswith(fine)]
