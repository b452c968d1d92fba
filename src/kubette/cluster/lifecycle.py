"""Up, down, stop, start and status of a local cluster. Everything is idempotent, and nothing is half done
when it refuses: what a machine lacks, and what a user asks wrongly, is found before anything is made."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import http.client
import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from kubette import clusterspec as specs
from kubette.cluster import contexts, kubeconfig, processes, supervisor
from kubette.clusterspec import ClusterError, ClusterSpec
from kubette.runtime import beneath

Progress = Callable[[str], None]
_READY_SECONDS = 120.0
_STOP_SECONDS = 12.0
_AGENT_SECONDS = 5.0
_DRAIN_SECONDS = 60.0
_FRESH = timedelta(seconds=4)  # two renewals of a node's lease


@dataclass(frozen=True, slots=True)
class Options:
    """What ``up`` was asked for; None: as it is, or the default."""

    nodes: int | None = None
    ingress: bool | None = None
    resolv_conf: Path | None = None
    wait: bool = True
    kubeconfig: Path | None = None

    @property
    def resolvers(self) -> Path:
        """The file that nodes take their resolvers from."""
        return self.resolv_conf or Path("/etc/resolv.conf")


def up(name: str, data_root: Path, options: Options, progress: Progress = lambda line: None) -> ClusterSpec:
    """Start the cluster, or what is missing of it; returns when it is ready (or, without ``wait``, serves)."""
    path = options.kubeconfig or kubeconfig.default_path()
    data_root = data_root.absolute()  # components live in /
    _check_question(name, data_root, options)
    kubeconfig.check(path)
    with _locked(progress):
        stored = find(name, data_root)
        spec = stored or _new(name, data_root, options)
        _check_unchanged(spec, options)
        deadline, since = time.monotonic() + _READY_SECONDS, datetime.now(UTC) - _FRESH
        if not supervisor.running(spec):
            _check_subnet(spec)
            progress("starting" if stored is None else "starting again, with what it had")
            since = datetime.now(UTC)
            _start(spec)
            progress("the API server answers")
        else:
            _repair(spec, progress)
        if options.nodes is not None and options.nodes != len(spec.nodes):
            spec = _resize(spec, options.nodes, progress)
        contexts.enter(spec, path, user_kubeconfig(spec))
    if options.wait:
        _wait(spec, since, deadline, progress)
    return spec


def _check_question(name: str, data_root: Path, options: Options) -> None:
    """What is wrong whatever the machine holds is said at once, without waiting for anybody."""
    specs.check_name(name)
    if options.nodes is not None:
        specs.check_count(options.nodes)
    if not options.resolvers.is_file():
        raise ClusterError(f"there is no file {options.resolvers} to take the nodes' resolvers from")
    there = next(path for path in (data_root, *data_root.parents) if path.exists())
    if not there.is_dir():
        raise ClusterError(f"{there} is not a directory, so no data can lie in {data_root}")


def find(name: str, data_root: Path) -> ClusterSpec | None:
    """The cluster of that name, or None. ClusterError when one of that name runs whose data lies elsewhere."""
    home = supervisor.home(name)
    if home and home != data_root.absolute() and (home / name / "cluster.json").exists():
        raise ClusterError(f"the cluster {name} that runs here has its data in {home}; say --data-dir {home}")
    return specs.load(name, data_root)


def _new(name: str, data_root: Path, options: Options) -> ClusterSpec:
    from kubette.network import local

    if left := _leftover(name, data_root):
        _end(left)
    taken = [other.subnet for other in specs.known(data_root)]
    subnet = local.free_subnet(taken)
    ingress = options.ingress is not False
    return ClusterSpec(
        name=name,
        subnet=subnet,
        nodes=specs.new_nodes(subnet, options.nodes or 1),
        data_root=data_root,
        ingress=ingress,
        addons=("dns", "ingress") if ingress else ("dns",),
        resolv_conf=str(options.resolvers.resolve()),
    )


def _leftover(name: str, data_root: Path) -> ClusterSpec | None:
    """What is left of a cluster whose data has gone: as much of its description as taking it away needs."""
    from kubette.network import local

    data_dir = data_root / specs.check_name(name)
    members = local.members_left(name)
    if members is None and not (specs.RUN_ROOT / name).exists() and not data_dir.exists():
        return None
    return ClusterSpec(name, local.POOL, dict.fromkeys(members or (), ""), data_root)


def _check_subnet(spec: ClusterSpec) -> None:
    """Of a cluster that was stopped: somebody else may have taken its addresses meanwhile."""
    from kubette.network import local

    if holder := local.holder(spec.subnet, local.bridge_name(spec.name)):
        raise ClusterError(
            f"the addresses of cluster {spec.name}, {spec.subnet}, are taken on this machine by {holder}; "
            f"free them, or make the cluster anew: kubette down --name {spec.name}"
        )


def _repair(spec: ClusterSpec, progress: Progress) -> None:
    """Of a cluster that runs: nodes that were turned off, links, routes and add-ons that somebody took away."""
    from kubette.network import local

    off = [node for node in spec.nodes if supervisor.stop_mark(spec, node).exists()]
    for node in off:
        _power_on(spec, node)
    if off:
        progress(f"turned on: {', '.join(off)}")
    local.build(topology(spec))
    supervisor.apply_addons(spec)


def _check_unchanged(spec: ClusterSpec, options: Options) -> None:
    anew = f"take it down first to change that: kubette down --name {spec.name}"
    if options.ingress is not None and options.ingress != spec.ingress:
        raise ClusterError(f"cluster {spec.name} exists {'with' if spec.ingress else 'without'} ingress; {anew}")


def _resize(spec: ClusterSpec, count: int, progress: Progress) -> ClusterSpec:
    """Add nodes to a running cluster, or drain and remove those with the highest numbers."""
    wanted = specs.new_nodes(spec.subnet, count)
    resized = dataclasses.replace(spec, nodes=wanted)
    if leaving := [node for node in spec.nodes if node not in wanted]:
        _remove_nodes(spec, resized, leaving, progress)
    else:
        _identities(resized)
        from kubette.network import local

        local.build(topology(resized))
        resized.save()
        supervisor.reconsider(resized)
        progress(f"added: {', '.join(node for node in wanted if node not in spec.nodes)}")
    return resized


def _remove_nodes(spec: ClusterSpec, resized: ClusterSpec, leaving: Sequence[str], progress: Progress) -> None:
    """The description is saved before anything is removed: an ``up`` that is cut short leaves nothing that the
    next one would not find, since ``down`` and this look for nodes by name."""
    from kubette.cluster import draining
    from kubette.cluster.adminapi import Api
    from kubette.network import local
    from kubette.runtime.sweep import sweep

    progress(f"draining: {', '.join(leaving)}")
    try:
        with Api(spec) as api:
            draining.drain(api, leaving, _DRAIN_SECONDS)
            resized.save()
            supervisor.reconsider(resized)
            agents = [processes.recorded(supervisor.pid_file(spec, node)) for node in leaving]
            processes.end([agent for agent in agents if agent], _AGENT_SECONDS)
            for node in leaving:
                draining.delete(api, node)
    except http.client.HTTPException as error:
        raise ClusterError(f"the nodes {', '.join(leaving)} cannot be removed: {error}") from error
    for node in leaving:
        sweep(f"kubette-{spec.name}/{node}", [spec.node_run(node), spec.node_data(node)])
        local.remove_member(spec.name, node)
        for directory in (spec.node_run(node), spec.node_data(node)):
            with contextlib.suppress(OSError):
                beneath.remove_tree(directory)
        for file in spec.pki_dir.glob(f"node-{node}[.-]*"):
            file.unlink()
        supervisor.stop_mark(spec, node).unlink(missing_ok=True)
    progress(f"removed: {', '.join(leaving)}")


def _start(spec: ClusterSpec) -> None:
    """The supervisor loads its modules while network, certificates and images are made here."""
    from kubette.network import local

    spec.save()
    supervisor.claim(spec)
    _end_components(spec)
    go_read, go_write = os.pipe()
    told_read, told_write = os.pipe()
    try:
        os.waitpid(supervisor.start(spec, go_read, told_write), 0)
        os.close(told_write)
        local.build(topology(spec))
        _identities(spec)
        from kubette.runtime.images import ImageStore

        ImageStore(spec.images_dir).prepare_local()
        os.write(go_write, b"g")
        ready, _, _ = select.select([told_read], [], [], 30.0)
        if not ready or os.read(told_read, 16) != b"api\n":
            raise ClusterError(f"the API server did not start; {spec.logs_dir}/server.log says why")
    finally:
        for fd in (go_read, go_write, told_read):
            os.close(fd)


def _identities(spec: ClusterSpec) -> None:
    from kubette.apiserver import pki

    sans = [spec.control_plane_ip, spec.kubernetes_ip]
    pki.ensure_pki(spec.pki_dir, sans, {node: [address] for node, address in spec.nodes.items()})


def topology(spec: ClusterSpec) -> Any:
    from kubette.network import local

    members = {"": spec.control_plane_ip, **spec.nodes}
    return local.Topology(spec.name, spec.subnet, members, (spec.pod_cidr, spec.service_cidr))


def user_kubeconfig(spec: ClusterSpec) -> dict[str, Any]:
    """The admin's kubeconfig, with one context."""
    from kubette.apiserver import pki

    files = pki.Pki(spec.pki_dir)
    return pki.kubeconfig(spec.server_url, files.ca.cert, files.client("admin"), cluster=spec.context)


def _wait(spec: ClusterSpec, since: datetime, deadline: float, progress: Progress) -> None:
    from kubette.cluster import ready
    from kubette.cluster.adminapi import Api

    def alive() -> bool:
        return supervisor.running(spec) is not None

    try:
        with Api(spec) as api:
            ready.until("the nodes", lambda: ready.nodes_ready(api, spec, since), deadline, alive)
            progress("every node is Ready")
            for node in spec.nodes:
                ready.until(f"cluster DNS on {node}", partial(ready.dns_answers, spec, node), deadline, alive)
            progress("cluster DNS answers")
    except ready.NotReady as error:
        raise ClusterError(f"{error}; the logs in {spec.logs_dir} may say why") from error


def stop(spec: ClusterSpec, progress: Progress = lambda line: None) -> None:
    """End every process and remove what is in the kernel; keep the data."""
    with _locked(progress):
        _end(spec, stays=True)


def _end(spec: ClusterSpec, *, stays: bool = False) -> None:
    from kubette.network import local
    from kubette.runtime.sweep import sweep

    if pid := supervisor.running(spec):
        processes.end([pid], _STOP_SECONDS)
    _end_components(spec)
    _sweep(spec, sweep)
    members = {"", *spec.nodes, *(local.members_left(spec.name) or ())}  # also nodes that an ``up`` half removed
    leftovers = processes.in_namespaces(local.namespace(spec.name, member) for member in members)
    processes.end(leftovers, 0.0)
    others = [other.subnet for other in specs.known(spec.data_root) if stays or other.name != spec.name]
    local.remove(spec.name, members, (spec.pod_cidr, spec.service_cidr), others)
    with contextlib.suppress(OSError):
        beneath.remove_tree(spec.run_dir)
    with contextlib.suppress(OSError):
        specs.RUN_ROOT.rmdir()


def _sweep(spec: ClusterSpec, sweep: Callable[[str, list[Path]], list[int]]) -> None:
    left = sweep(f"kubette-{spec.name}", [spec.run_dir, spec.data_dir])
    if left:
        raise ClusterError(f"these processes of cluster {spec.name} do not end: {' '.join(map(str, left))}")


def _end_components(spec: ClusterSpec) -> None:
    """Components that outlived their supervisor."""
    names = (supervisor.STARTING, supervisor.SERVER, *spec.nodes)
    files = [supervisor.pid_file(spec, name) for name in names]
    processes.end([pid for pid in map(processes.recorded, files) if pid], 2.0)


def down(name: str, data_root: Path, path: Path | None = None, progress: Progress = lambda line: None) -> bool:
    """Remove every trace of the cluster, also when its data has gone already. False when there was none."""
    data_root = data_root.absolute()
    with _locked(progress):
        spec = find(name, data_root) or _leftover(name, data_root)
        if spec is None:
            return False
        _end(spec)
        failure: ClusterError | None = None
        try:
            contexts.leave(spec, path or kubeconfig.default_path())
        except ClusterError as error:
            failure = error
        # The file that says there is a cluster goes last: a `down` that is cut short can be said again.
        marker = spec.data_dir / "cluster.json"
        for entry in spec.data_dir.iterdir() if spec.data_dir.exists() else ():
            if entry != marker:
                beneath.remove_tree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        marker.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            spec.data_dir.rmdir()
        if failure:
            raise ClusterError(f"cluster {name} is gone, but its context may not be: {failure}") from failure
        return True


def node_stop(spec: ClusterSpec, node: str) -> None:
    """As if its power had gone: agent and pods are killed, the link is down."""
    from kubette.network import local
    from kubette.runtime.sweep import sweep

    with _locked():
        _known_node(spec, node)
        supervisor.stop_mark(spec, node).touch()
        agent = processes.recorded(supervisor.pid_file(spec, node))
        local.set_link(spec.name, node, up=False)
        supervisor.reconsider(spec)
        processes.end([agent] if agent else [], 0.0)
        sweep(f"kubette-{spec.name}/{node}", [spec.node_run(node), spec.node_data(node)])


def node_start(spec: ClusterSpec, node: str) -> None:
    """Power is back."""
    with _locked():
        _known_node(spec, node)
        _power_on(spec, node)


def _power_on(spec: ClusterSpec, node: str) -> None:
    from kubette.network import local

    local.set_link(spec.name, node, up=True)
    local.build(topology(spec))
    supervisor.stop_mark(spec, node).unlink(missing_ok=True)
    supervisor.reconsider(spec)


def _known_node(spec: ClusterSpec, node: str) -> None:
    if node not in spec.nodes:
        raise ClusterError(f"cluster {spec.name} has no node {node!r}; it has {', '.join(spec.nodes)}")
    if not supervisor.running(spec):
        raise ClusterError(f"cluster {spec.name} does not run; start it with: kubette start --name {spec.name}")


def require(name: str, data_root: Path) -> ClusterSpec:
    """The cluster of that name. ClusterError, saying what to do, when there is none."""
    spec = find(name, data_root.absolute())
    if spec is None:
        raise ClusterError(f"there is no cluster {name!r}; kubette ls lists them, kubette up --name {name} makes it")
    return spec


@contextlib.contextmanager
def _locked(progress: Progress = lambda line: None) -> Iterator[None]:
    """One cluster comes or goes at a time on the machine: subnets and routes are shared, whatever the data root."""
    fd = os.open(specs.RUN_ROOT.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another kubette command to end")
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
