"""The controller as a process: watch, plan, bring HAProxy there, until cancelled; then drain.

One sequential worker: endpoint changes go to the running HAProxy at once, a changed structure is a reload. Reloads
keep a distance from one another, a longer one while many replaced workers still have requests, so that
a busy API cannot fill the memory with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource as limits
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from kubette.api.kinds import resource
from kubette.client.events import Recorder
from kubette.client.informer import Informer
from kubette.client.interface import Api
from kubette.ingress import model, slots, text
from kubette.ingress.config import IngressConfig
from kubette.ingress.isolation import culprits
from kubette.ingress.model import Name
from kubette.ingress.process import ConfigurationRefused, Haproxy, HaproxyFailure
from kubette.ingress.report import Reporter
from kubette.ingress.routing import Plan, Problem
from kubette.ingress.slots import Slots
from kubette.ingress.state import Inputs, State, checked_certificate
from kubette.ingress.text import Settings

log = logging.getLogger(__name__)

_DISTANCE, _MANY_OLD, _LONG_DISTANCE = 0.2, 4, 5.0  # seconds, workers, seconds
_RETRY = 5.0  # after a refused configuration
_CHECKS = 40  # of configurations, to find the Ingresses that HAProxy refuses
_SECRETS = "type!=helm.sh/release.v1"  # those of Helm are large, many, and never pairs
_ENDS, _ENDS_SECONDS = 3, 60.0  # so many ends of HAProxy in so short a time are too many


class Controller:
    """Brings HAProxy to what the state says. ``plan`` and ``slots`` are what it runs with."""

    def __init__(self, config: IngressConfig, state: State, haproxy: Haproxy, reporter: Reporter) -> None:
        self.config = config
        self.state = state
        self.haproxy = haproxy
        self.reporter = reporter
        self.plan = Plan()
        self.slots: dict[str, Slots] = {}
        self.wanted = Plan()
        self._inputs: set[Inputs] = set()  # of ``wanted``
        self._accepted: set[Inputs] = set()  # of ``plan``
        self._rejected: dict[Name, tuple[Inputs, str]] = {}  # Ingresses that it refuses, and why
        self._not_before = 0.0
        self._stale = False  # HAProxy's servers are not what ``slots`` says
        self._loaded = asyncio.Event()

    async def start(self) -> None:
        """HaproxyFailure when the first configuration is refused, or its ports cannot be had."""
        self._replan()
        await self._load_acceptable()

    async def run(self) -> None:
        """After ``start``, until cancelled."""
        while True:
            waiting = self._not_before - asyncio.get_running_loop().time() if self._due else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(waiting):
                    await self.state.changed.wait()
            self.state.changed.clear()
            if self.state.structure:
                self._replan()
            await self._move()
            if self._due and asyncio.get_running_loop().time() >= self._not_before:
                await self._reload()

    async def revive(self) -> None:
        """Start HAProxy again when it ends. HaproxyFailure when it ends repeatedly."""
        ends: deque[float] = deque(maxlen=_ENDS)
        while True:
            code = await self.haproxy.wait()
            ends.append(asyncio.get_running_loop().time())
            if len(ends) == _ENDS and ends[-1] - ends[0] < _ENDS_SECONDS:
                raise HaproxyFailure(f"haproxy exited with code {code}")
            log.error("haproxy exited with code %d: starting it again", code)
            self._loaded.clear()
            self._stale, self._not_before = True, 0.0
            self.state.changed.set()
            await self._loaded.wait()

    @property
    def _due(self) -> bool:
        """Whether a reload is due."""
        return self._stale or self.wanted != self.plan

    def _replan(self) -> None:
        """``wanted`` is the plan without the Ingresses that HAProxy refuses, as long as these are unchanged."""
        present = {i.name: self.state.inputs(i) for i in self.state.served()}
        self._rejected = {n: row for n, row in self._rejected.items() if present.get(n) == row[0]}
        self._inputs = {row for name, row in present.items() if name not in self._rejected}
        self.wanted, problems = self.state.plan(self._rejected)
        rejected = [
            Problem(name, "Rejected", f"not served, because HAProxy refuses its configuration: {why}")
            for name, (_, why) in self._rejected.items()
        ]
        self.reporter.problems((*problems, *rejected))

    async def _load_acceptable(self) -> None:
        """Load; when HAProxy refuses the configuration, load it without the Ingresses to blame."""
        try:
            await self._load()
        except ConfigurationRefused as error:
            if not await self._isolate():
                raise
            log.error("%s; going on without %s", error, ", ".join("/".join(n) for n in self._rejected))
            await self._load()

    async def _isolate(self) -> bool:
        """Find Ingresses that HAProxy refuses, the changed ones first. Whether there are any."""
        served = sorted(self.state.served(), key=lambda i: (i.created, i.name))
        items = [self.state.inputs(i) for i in served if i.name not in self._rejected]
        unchanged = [i for i in items if i in self._accepted]
        items = unchanged + [i for i in items if i not in self._accepted]

        async def refusal(some: Sequence[Inputs]) -> str | None:
            plan = self.state.subplan(i.ingress for i in some)
            placed = {name: slots.fresh(self.state.endpoints(b)) for name, b in plan.backends.items()}
            return await self.haproxy.refusal(
                lambda directory, worker: text.files(plan, placed, settings(self.config, worker), directory)
            )

        found = False
        async for item, why in culprits(items, len(unchanged), refusal, checks=_CHECKS):
            self._rejected[item.ingress.name] = item, why
            found = True
        self._replan()
        return found

    async def _reload(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._load_acceptable()
            old = len(await self.haproxy.old_workers())
            self._not_before = loop.time() + (_DISTANCE if old < _MANY_OLD else _LONG_DISTANCE)
        except HaproxyFailure as error:
            log.error("%s; HAProxy goes on as it was", error)
            self._not_before = loop.time() + _RETRY

    async def _load(self) -> None:
        wanted, inputs = self.wanted, self._inputs
        placed = {}
        for name, backend in wanted.backends.items():
            endpoints = self.state.endpoints(backend)
            same = self.plan.backends.get(name) == backend
            placed[name] = slots.move(self.slots[name], endpoints)[0] if same else slots.fresh(endpoints)
        self.state.moved -= {b.service for b in wanted.backends.values()}

        def files(directory: Path, worker: Path) -> dict[str, str]:
            return text.files(wanted, placed, settings(self.config, worker), directory)

        await self.haproxy.load(files)
        self.plan, self.slots, self._stale, self._accepted = wanted, placed, False, inputs
        self._loaded.set()
        log.info("HAProxy has configuration %d: %d backends", self.haproxy.generation, len(placed))

    async def _move(self) -> None:
        """Change endpoints of the running backends without a reload; reload when HAProxy refuses the commands."""
        moved, self.state.moved = self.state.moved, set()
        commands = []
        for name, backend in self.plan.backends.items() if moved else ():
            if backend.service in moved:
                self.slots[name], changes = slots.move(self.slots[name], self.state.endpoints(backend))
                commands += text.commands(name, backend, changes)
        if not commands:
            return
        try:
            await self.haproxy.send(commands)
            if old := await self.haproxy.old_workers():
                await self.haproxy.send_to_old(old, commands)
        except HaproxyFailure as error:
            log.warning("%s; reloading", error)
            self._stale = True


def settings(config: IngressConfig, worker: Path) -> Settings:
    """For this machine: as many connections as it has descriptors for, IPv6 where there is any."""
    _, hard = limits.getrlimit(limits.RLIMIT_NOFILE)
    affordable = config.max_connections if hard == limits.RLIM_INFINITY else (hard - 200) // 3
    if config.address:
        bound, suffix = (f"[{config.address}]" if ":" in config.address else config.address), ""
    else:
        bound, suffix = ("[::]", " v4v6") if _has_ipv6() else ("", "")
    http, https, health = (f"{bound}:{p}{suffix}" for p in (config.http_port, config.https_port, config.health_port))
    return Settings(http, https, health, worker, max(100, min(config.max_connections, affordable)))


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


@contextlib.asynccontextmanager
async def _directory(config: IngressConfig) -> AsyncIterator[Path]:
    if config.directory is not None:
        config.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield config.directory
        return
    made = Path(tempfile.mkdtemp(prefix="kubette-ingress-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


async def run(api: Api, config: IngressConfig) -> None:
    """Serve until cancelled, then drain. HAProxy starts after the first lists, so that no route is missing at first."""
    state = State(config)
    ingresses = Informer(api, resource("ingresses.networking.k8s.io"), transform=model.ingress)
    classes = Informer(api, resource("ingressclasses.networking.k8s.io"), transform=model.ingress_class)
    services = Informer(api, resource("services"), transform=model.service)
    slices = Informer(api, resource("endpointslices.discovery.k8s.io"), transform=model.endpoint_slice)
    secrets = Informer(api, resource("secrets"), field_selector=_SECRETS, transform=checked_certificate)
    ingresses.subscribe(state.on_ingress)
    classes.subscribe(state.on_class)
    services.subscribe(state.on_service)
    slices.subscribe(state.on_slice)
    secrets.subscribe(state.on_certificate)
    informers: tuple[Informer[Any], ...] = (ingresses, classes, services, slices, secrets)
    reporter = Reporter(api, state, Recorder(api, "kubette-ingress"))
    async with _directory(config) as directory:
        haproxy = Haproxy(directory, config.haproxy)
        try:
            async with asyncio.TaskGroup() as group:
                for informer in informers:
                    group.create_task(informer.run(), name=f"ingress {informer.kind.plural}")
                for informer in informers:
                    await informer.wait_synced()
                controller = Controller(config, state, haproxy, reporter)
                await controller.start()
                group.create_task(controller.run(), name="ingress controller")
                group.create_task(reporter.statuses(), name="ingress statuses")
                await controller.revive()
        except ExceptionGroup as group_:  # not except*, which wraps what is raised in it into another group
            if (failed := group_.subgroup(HaproxyFailure)) is None:
                raise
            raise failed.exceptions[0] from None
        finally:
            try:
                if haproxy.running:
                    await asyncio.sleep(config.drain_delay)
                await haproxy.drain(config.drain_timeout)
            finally:
                await reporter.close()
