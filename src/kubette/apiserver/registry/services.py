"""Services: virtual addresses and node ports, taken when a Service is written and given back with it.

Everything that one write takes is taken before it is appended, without an await in between, so that no two
Services can hold the same address or port. Source: pkg/registry/core/service/storage.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api.errors import FieldError, invalid
from kubette.api.kinds import Kind
from kubette.apiserver.registry import addresses, config, service_spec, service_validation
from kubette.apiserver.registry.allocators import AddressPool, PortPool, Unavailable, family_of
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class Services(Strategy):
    """``addresses``: a pool for each of the cluster's families, the primary first."""

    selectable_fields = {  # noqa: RUF012
        "spec.clusterIP": lambda o: (o.get("spec") or {}).get("clusterIP") or "",
        "spec.type": lambda o: (o.get("spec") or {}).get("type") or "",
    }

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        settings = config.current()
        pools = [AddressPool(cidr) for cidr in settings.service_cidrs]
        self.addresses: dict[str, AddressPool] = {p.family: p for p in pools}
        self.ports = PortPool(*settings.node_ports)
        self._failed: Object | None = None

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(self.addresses)

    def default(self, obj: Object) -> None:
        service_spec.default(obj.setdefault("spec", {}))
        if status := obj.get("status"):
            service_spec.default_status(status)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"loadBalancer": {}}
        spec = obj["spec"]
        service_spec.normalize_cluster_ips(spec, None)
        service_spec.default_families(spec, self.families)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        super().prepare_update(new, old, ctx)
        if ctx.subresource == "status":
            return
        spec, before = new["spec"], old["spec"]
        service_spec.normalize_cluster_ips(spec, before)
        service_spec.keep_allocated(spec, before)
        service_spec.drop_type_dependent(spec, before)
        same_need = service_spec.needs_cluster_ip(spec) and service_spec.needs_cluster_ip(before)
        for field in ("ipFamilyPolicy", "ipFamilies"):
            if same_need and not spec.get(field) and before.get(field):
                spec[field] = before[field]
        if spec.get("ipFamilyPolicy") == "SingleStack" != before.get("ipFamilyPolicy"):
            _keep_only_primary(spec, before)
        service_spec.default_families(spec, self.families)
        if spec.get("type") != "LoadBalancer" and (new.get("status") or {}).get("loadBalancer"):
            new["status"] = {**new["status"], "loadBalancer": {}}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return service_validation.validate(obj, None, self.families)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return service_validation.validate_status(new, old)
        out = service_validation.validate_update(new["spec"], old["spec"])
        return out + service_validation.validate(new, old, self.families)

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        return service_validation.warnings(obj)

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        if not ctx.subresource:
            return service_validation.warnings(new)
        balancer = (new.get("status") or {}).get("loadBalancer") or {}
        return [
            text for i, one in enumerate(balancer.get("ingress") or ()) if one.get("ip")
            for text in addresses.ip_warnings(one["ip"], f"status.loadBalancer.ingress[{i}]")
        ]  # fmt: skip

    def allocate(self, new: Object, old: Object | None, ctx: Context) -> list[FieldError]:
        if ctx.subresource:
            return []
        self._failed = None
        held = self._held(old["spec"]) if old else (set(), set())
        taken: tuple[set[str], set[int]] = (set(), set())
        errors = self._take_addresses(new["spec"], held[0], taken[0])
        if not errors:
            errors = self._take_ports(new["spec"], held[1], taken[1])
        if errors:
            self._give_back(taken)
            self._failed = new
            return errors
        now = self._held(new["spec"])
        self._give_back((held[0] - now[0], held[1] - now[1]))
        return []

    def release(self, new: Object, old: Object | None, ctx: Context) -> None:
        if ctx.subresource or new is self._failed:
            return  # a failed allocation has given back by itself
        now = self._held(new["spec"])
        before = self._held(old["spec"]) if old else (set(), set())
        self._give_back((now[0] - before[0], now[1] - before[1]))
        self._take_again((before[0] - now[0], before[1] - now[1]))

    def deleted(self, obj: Object) -> None:
        self._give_back(self._held(obj["spec"]))

    def restore(self, objects: Iterable[Object]) -> None:
        for obj in objects:
            self._take_again(self._held(obj.get("spec") or {}))

    # ---- addresses

    def _take_addresses(self, spec: Object, held: set[str], taken: set[str]) -> list[FieldError]:
        if not service_spec.needs_cluster_ip(spec) or service_spec.headless(spec):
            return []
        addresses = list(spec.get("clusterIPs") or ())
        families = spec["ipFamilies"]
        for ip in addresses:
            if ip in held:
                continue
            try:
                self.addresses[family_of(ip)].take(ip)
            except Unavailable as e:
                return [invalid("spec.clusterIPs", addresses, f"failed to allocate IP {ip}: {e}")]
            taken.add(ip)
        for family in families[len(addresses) :]:
            try:
                ip = self.addresses[family].take_any()
            except Unavailable as e:
                words = f"failed to allocate a serviceIP: {e}"
                return [invalid("spec.clusterIPs", addresses, words)]
            taken.add(ip)
            addresses.append(ip)
        spec["clusterIPs"], spec["clusterIP"] = addresses, addresses[0]
        return []

    # ---- node ports

    def _take_ports(self, spec: Object, held: set[int], taken: set[int]) -> list[FieldError]:
        by_port: dict[int, int] = {}  # the same port over TCP and UDP shares one node port
        ports = spec.get("ports") or []
        automatic = service_spec.needs_node_port(spec)
        for i, port in enumerate(ports):
            path, number = f"spec.ports[{i}].nodePort", port.get("nodePort") or 0
            if number:
                if errors := self._take_port(number, path, held, taken):
                    return errors
                by_port.setdefault(port["port"], number)
        for i, port in enumerate(ports):
            if not automatic or port.get("nodePort"):
                continue
            number = by_port.get(port["port"], 0)
            if not number or _clashes(ports, port, number):
                try:
                    number = self.ports.take_any()
                except Unavailable as e:
                    words = f"failed to allocate a nodePort: {e}"
                    return [invalid(f"spec.ports[{i}].nodePort", 0, words)]
                taken.add(number)
            port["nodePort"] = by_port[port["port"]] = number
        return self._take_health_port(spec, held, taken)

    def _take_port(self, number: int, path: str, held: set[int], taken: set[int]) -> list[FieldError]:
        if number in held or number in taken:
            return []
        try:
            self.ports.take(number)
        except Unavailable as e:
            return [invalid(path, number, str(e))]
        taken.add(number)
        return []

    def _take_health_port(self, spec: Object, held: set[int], taken: set[int]) -> list[FieldError]:
        if not service_spec.needs_health_port(spec):
            return []
        path = "spec.healthCheckNodePort"
        number = spec.get("healthCheckNodePort") or 0
        if number:
            return self._take_port(number, path, held, taken)
        try:
            number = self.ports.take_any()
        except Unavailable as e:
            return [invalid(path, 0, f"failed to allocate a HealthCheck NodePort: {e}")]
        taken.add(number)
        spec["healthCheckNodePort"] = number
        return []

    # ---- what a Service holds

    def _held(self, spec: Object) -> tuple[set[str], set[int]]:
        addresses: set[str] = set()
        if service_spec.needs_cluster_ip(spec):
            addresses = {ip for ip in spec.get("clusterIPs") or () if ip and ip != "None"}
        ports = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
        if spec.get("healthCheckNodePort"):
            ports.add(spec["healthCheckNodePort"])
        return addresses, ports

    def _give_back(self, what: tuple[set[str], set[int]]) -> None:
        for ip in what[0]:
            if pool := self.addresses.get(family_of(ip)):
                pool.give_back(ip)
        for port in what[1]:
            self.ports.give_back(port)

    def _take_again(self, what: tuple[set[str], set[int]]) -> None:
        """Values outside today's ranges (the ranges were changed) stay in use, untracked."""
        for ip in what[0]:
            if pool := self.addresses.get(family_of(ip)):
                _try(pool, ip)
        for port in what[1]:
            _try(self.ports, port)


def _try(pool: Any, value: Any) -> None:
    try:
        pool.take(value)
    except Unavailable:
        pass  # outside today's range


def _clashes(ports: list[Object], port: Object, number: int) -> bool:
    """Whether another port of the same protocol already uses the node port."""
    return any(p is not port and p.get("nodePort") == number and p["protocol"] == port["protocol"] for p in ports)


def _keep_only_primary(spec: Object, old: Object) -> None:
    """A downgrade to one family gives the secondary address up, unless the client says otherwise."""
    for field in ("clusterIPs", "ipFamilies"):
        if spec.get(field) == old.get(field) and spec.get(field):
            spec[field] = spec[field][:1]
