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
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from kubette.api.kinds import resource
from kubette.client.events import Recorder
from kubette.client.informer import Informer
from kubette.client.interface import Api
from kubette.ingress import model, slots, text
from kubette.ingress.config import IngressConfig
from kubette.ingress.process import Haproxy, HaproxyFailure
from kubette.ingress.report import Reporter
from kubette.ingress.routing import Plan
from kubette.ingress.slots import Slots
from kubette.ingress.state import State, checked_certificate
from kubette.ingress.text import Settings

log = logging.getLogger(__name__)

_DISTANCE, _MANY_OLD, _LONG_DISTANCE = 0.2, 4, 5.0  # seconds, workers, seconds
_RETRY = 5.0  # after a refused configuration
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
        self._not_before = 0.0
        self._stale = False  # HAProxy's servers are not what ``slots`` says
        self._loaded = asyncio.Event()

    async def start(self) -> None:
        """HaproxyFailure when the first configuration is refused, or its ports cannot be had."""
        self._replan()
        await self._load()

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
        """Have HAProxy started again when it ends. HaproxyFailure when it ends again and again."""
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
        """A reload is."""
        return self._stale or self.wanted != self.plan

    def _replan(self) -> None:
        self.wanted, problems = self.state.plan()
        self.reporter.problems(problems)

    async def _reload(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._load()
            old = len(await self.haproxy.old_workers())
            self._not_before = loop.time() + (_DISTANCE if old < _MANY_OLD else _LONG_DISTANCE)
        except HaproxyFailure as error:
            log.error("%s; HAProxy goes on as it was", error)
            self._not_before = loop.time() + _RETRY

    async def _load(self) -> None:
        wanted = self.wanted
        placed = {}
        for name, backend in wanted.backends.items():
            endpoints = self.state.endpoints(backend)
            same = self.plan.backends.get(name) == backend
            placed[name] = slots.move(self.slots[name], endpoints)[0] if same else slots.fresh(endpoints)
        self.state.moved -= {b.service for b in wanted.backends.values()}

        def files(directory: Path, worker: Path) -> dict[str, str]:
            return text.files(wanted, placed, settings(self.config, worker), directory)

        await self.haproxy.load(files)
        self.plan, self.slots, self._stale = wanted, placed, False
        self._loaded.set()
        log.info("HAProxy has configuration %d: %d backends", self.haproxy.generation, len(placed))

    async def _move(self) -> None:
        """Endpoints of the running backends, without a reload; a reload if HAProxy will not have it."""
        moved, self.state.moved = self.state.moved, set()
        commands = []
        for name, backend in self.plan.backends.items() if moved else ():
            if backend.service in moved:
                self.slots[name], changes = slots.move(self.slots[name], self.state.endpoints(backend))
                commands += text.commands(name, backend, changes)
        if not commands:
            return
        try:
            await self.haproxy.tell(commands)
            if old := await self.haproxy.old_workers():
                await self.haproxy.tell_old(old, commands)
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
    """Serve until cancelled, then drain. HAProxy starts when all is known, so no route is missing at first."""
    state = State(config)
    ingresses = Informer(api, resource("ingresses.networking.k8s.io"), transform=model.ingress)
    classes = Informer(api, resource("ingressclasses.networking.k8s.io"), transform=model.ingress_class)
    services = Informer(api, resource("services"), transform=model.service)
    slices = Informer(api, resource("endpointslices.discovery.k8s.io"), transform=model.endpoint_slice)
    secrets = Informer(
        api, resource("secrets"), field_selector=f"type={model.TLS_SECRET}", transform=checked_certificate
    )
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
