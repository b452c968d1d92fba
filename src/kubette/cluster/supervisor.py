"""The one process that keeps a cluster's components running: it starts them, and again when they die.

Components are forked, not executed: what they import is loaded once and shared, so they start in milliseconds and
cost little memory. It holds no thread, no event loop and no socket, so that there is little to fail; if it
is killed all the same, the components go on, and the next ``up`` puts a new one in charge.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kubette.cluster import logfile, processes
from kubette.clusterspec import RUN_ROOT, ClusterError, ClusterSpec, check_name, load
from kubette.runtime import kernel

SERVER = "server"
STARTING = "starting"  # the pid file of a supervisor that is not in charge yet
_FIRST_RETRY, _LAST_RETRY = 0.05, 5.0
_STEADY_SECONDS = 10.0  # a component that ran that long may start again at once
_STOP_SECONDS = 5.0
_OOM_SCORE = -999  # as a kubelet's: pods are killed first. Components inherit it; containers have their own
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

#: Loaded before the first fork: what the server needs, then what agents need.
_SERVER_MODULES = (
    "kubette.compose", "kubette.apiserver.server", "kubette.client.http", "kubette.client.informer",
    "kubette.controllers.manager", "kubette.scheduler.loop",
)  # fmt: skip
_AGENT_MODULES = (
    "kubette.agent.service", "kubette.agent.neighbours", "kubette.proxy.service", "kubette.runtime.oci",
    "kubette.runtime.images", "kubette.network.pods", "kubette.network.hostports",
)  # fmt: skip


@dataclass(slots=True)
class _Component:
    name: str
    pid: int = 0
    started: float = 0.0
    retry: float = _FIRST_RETRY
    due: float = 0.0  # not to be started before


def pid_file(spec: ClusterSpec, name: str = "supervisor") -> Path:
    return spec.run_dir / f"{name}.pid"


def stop_mark(spec: ClusterSpec, node: str) -> Path:
    """While this file is there, the node is off."""
    return spec.run_dir / f"{node}.off"


def claim(spec: ClusterSpec) -> None:
    """Say whose the run directory is: it is named after the cluster alone, and data may lie anywhere."""
    spec.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    (spec.run_dir / "data_root").write_text(f"{spec.data_root}\n")


def home(name: str) -> Path | None:
    """The data root of the cluster of that name that runs here, if one does."""
    try:
        return Path((RUN_ROOT / check_name(name) / "data_root").read_text().strip())
    except (FileNotFoundError, NotADirectoryError):
        return None


def running(spec: ClusterSpec) -> int | None:
    """The supervisor's pid, if it is alive."""
    return processes.recorded(pid_file(spec))


def reconsider(spec: ClusterSpec) -> None:
    """Make the supervisor read the cluster's description and the stop marks again."""
    if pid := running(spec):
        os.kill(pid, signal.SIGHUP)


def apply_addons(spec: ClusterSpec) -> None:
    """Make the server look at its add-ons again."""
    if pid := processes.recorded(pid_file(spec, SERVER)):
        os.kill(pid, signal.SIGHUP)


def start(spec: ClusterSpec, go: int, notify: int) -> int:
    """Fork a supervisor into the background. It loads its modules at once, is in charge when a byte
    arrives on ``go`` (end of file: it gives up), and starts the components. The server writes a line to
    ``notify`` when it serves."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _close_all_but({0, 1, 2, go, notify})  # a lock held by our parent must not be held by us
        _detach(spec, "supervisor")
        _supervise(spec, go, notify)
        code = 0
    except BaseException:
        logging.getLogger(__name__).exception("supervisor failed")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _close_all_but(kept: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(int(name))


def _detach(spec: ClusterSpec, name: str) -> None:
    """Standard streams to the component's log, nothing of the terminal kept."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    logfile.open_log(spec.logs_dir / f"{name}.log")
    os.chdir("/")


def _supervise(spec: ClusterSpec, go: int, notify: int) -> None:
    lock = os.open(spec.run_dir / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    starting = pid_file(spec, STARTING)
    processes.record(starting)
    processes.name("kubette", f"kubette: cluster {spec.name}, supervisor")
    fcntl.flock(lock, fcntl.LOCK_EX)  # one that was never put in charge may still be on its way out
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    _import(_SERVER_MODULES)
    kernel.set_oom_score_adj(_OOM_SCORE)
    if os.read(go, 1) != b"g":
        starting.unlink(missing_ok=True)
        return
    os.replace(starting, pid_file(spec))
    os.close(go)
    supervisor = _Supervisor(spec, notify)
    gc.freeze()
    supervisor.spawn(supervisor.components[SERVER])
    os.close(notify)
    supervisor.notify = -1
    _import(_AGENT_MODULES)
    gc.collect()
    gc.freeze()
    supervisor.loop()
    pid_file(spec).unlink(missing_ok=True)


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        importlib.import_module(module)


class _Supervisor:
    def __init__(self, spec: ClusterSpec, notify: int) -> None:
        self.spec = spec
        self.notify = notify
        self.components = {name: _Component(name) for name in (SERVER, *spec.nodes)}
        self._log = logging.getLogger(__name__)
        # Nodes leave this namespace, and pull images in it: a registry on the host's loopback is reached.
        self._host_netns = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def loop(self) -> None:
        """Until SIGTERM: then end the components and return."""
        while True:
            self._reconcile()
            due = [c.due for c in self.components.values() if not c.pid and self._wanted(c)]
            patience = max(0.0, min(due) - time.monotonic()) if due else 3600.0
            told = signal.sigtimedwait(_SIGNALS, patience)
            if told is not None and told.si_signo in (signal.SIGTERM, signal.SIGINT):
                break
            if told is not None and told.si_signo == signal.SIGHUP:
                self._reload()
            self._reap()
        # Agents first: they report their last statuses to the API server.
        nodes = [c.pid for c in self.components.values() if c.pid and c.name != SERVER]
        self._end(nodes)
        self._end([c.pid for c in self.components.values() if c.pid and c.name == SERVER])

    def _reload(self) -> None:
        """Take up nodes that the description has gained. One that it has lost ends, and is not started again."""
        try:
            spec = load(self.spec.name, self.spec.data_root)
        except ClusterError as error:
            self._log.error("%s", error)
            return
        if spec is None:
            return
        self.spec = spec
        wanted = (SERVER, *spec.nodes)
        self._end([c.pid for name, c in self.components.items() if c.pid and name not in wanted])
        self.components = {name: self.components.get(name) or _Component(name) for name in wanted}

    def _end(self, pids: list[int]) -> None:
        processes.end(pids, _STOP_SECONDS)
        self._reap()

    def _wanted(self, component: _Component) -> bool:
        return not stop_mark(self.spec, component.name).exists()

    def _reconcile(self) -> None:
        now = time.monotonic()
        for component in self.components.values():
            wanted = self._wanted(component)
            if component.pid and not wanted:
                self._end([component.pid])
                component.due = 0.0
            elif not component.pid and wanted and now >= component.due:
                self.spawn(component)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            component = next((c for c in self.components.values() if c.pid == pid), None)
            if component is None:
                continue
            now = time.monotonic()
            if now - component.started >= _STEADY_SECONDS:
                component.retry = _FIRST_RETRY
            component.pid, component.due = 0, now + component.retry
            self._log.warning("%s ended (status %d), again in %.2f s", component.name, status, component.retry)
            component.retry = min(component.retry * 2, _LAST_RETRY)

    def spawn(self, component: _Component) -> None:
        """Fork the component. The child never returns."""
        component.started = time.monotonic()
        component.pid = os.fork()
        if component.pid == 0:
            self._become(component.name)

    def _become(self, name: str) -> None:
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            _detach(self.spec, name)
            processes.record(pid_file(self.spec, name))
            main = self._main(name)
            main()
            code = 0
        except BaseException:
            logging.getLogger(__name__).exception("%s failed", name)
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _main(self, name: str) -> Callable[[], None]:
        from kubette import compose
        from kubette.network import local, netns

        if name == SERVER:
            processes.name("kubette-server", f"kubette: cluster {self.spec.name}, server")
            netns.enter(local.namespace(self.spec.name))
            notify = self.notify
            return lambda: compose.serve(self.spec, notify)
        processes.name("kubette-agent", f"kubette: cluster {self.spec.name}, {name}")
        if self.notify >= 0:
            os.close(self.notify)
        netns.enter(local.namespace(self.spec.name, name))
        return lambda: compose.serve_node(self.spec, name, Path(f"/proc/self/fd/{self._host_netns}"))
