"""Clusters that are killed, stopped, doubled and removed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubette.network import local
from kubette.testing.local import KUBETTE, LocalCluster, cluster, until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, kubectl: str) -> Iterator[LocalCluster]:
    """A cluster of one node with the walkthrough's pods and service."""
    directory = tmp_path_factory.mktemp("life")
    with cluster(f"life-{os.getpid()}", directory, 1, "--no-ingress", kubectl=kubectl) as made:
        made.kubectl("create", "-f", f"{EXAMPLES}/kubia-rc.yaml", "-f", f"{EXAMPLES}/kubia-svc-nodeport.yaml")
        serves(made)
        yield made


def ask(made: LocalCluster) -> bool:
    """One request to the NodePort from outside."""
    ip = made.spec.nodes["node-1"]
    done = subprocess.run(
        ["curl", "-s", "--max-time", "2", f"http://{ip}:30123"], capture_output=True, text=True, timeout=10
    )
    return done.stdout.startswith("You've hit kubia-")


def serves(made: LocalCluster) -> None:
    until("two pods Running", lambda: len(running(made)) == 2)
    until("an answer", lambda: ask(made))


def running(made: LocalCluster) -> dict[str, int]:
    """Ready pods of the app and their restarts."""
    out = {}
    for pod in made.get("pods", "-l", "app=kubia")["items"]:
        status = (pod["status"].get("containerStatuses") or [{}])[0]
        if status.get("ready") and "deletionTimestamp" not in pod["metadata"]:
            out[pod["metadata"]["name"]] = status["restartCount"]
    return out


def state(made: LocalCluster) -> dict[str, Any]:
    """What must be the same after a pause."""
    services = made.get("svc", "-A")["items"]
    nodes = made.get("nodes")["items"]
    return {
        "services": {(s["metadata"]["uid"], s["spec"]["clusterIP"]) for s in services},
        "nodes": {(n["metadata"]["uid"], n["status"]["addresses"][0]["address"]) for n in nodes},
        "pods": set(running(made)),
        "rc": made.get("rc", "kubia")["metadata"]["uid"],
    }


def healthy(made: LocalCluster) -> None:
    def whole() -> bool:
        done = made.kubette("status", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return True

    until("healthy", whole, 60)


class Asking:
    """Asks the service all the time; ``failures`` says how often nobody answered."""

    def __init__(self, made: LocalCluster) -> None:
        self.made, self.answers, self.failures = made, 0, 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asking")

    def _run(self) -> None:
        while not self._end.is_set():
            if ask(self.made):
                self.answers += 1
            else:
                self.failures += 1

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


@pytest.mark.parametrize("victim", ["server", "node-1", "supervisor"])
def test_killed_with_9_pods_go_on_serving_and_all_comes_back(one: LocalCluster, victim: str) -> None:
    before, old = running(one), one.pid(victim)
    with Asking(one) as asking:
        os.kill(old, signal.SIGKILL)
        if victim == "supervisor":
            one.up(1)
        until("another process", lambda: one.pid(victim) not in (0, old))
        healthy(one)
        one.kubectl("scale", "rc", "kubia", "--replicas=3")
        until("a new pod", lambda: len(running(one)) == 3)
        one.kubectl("scale", "rc", "kubia", "--replicas=2")
        until("one pod less", lambda: len(running(one)) == 2)
    assert asking.failures == 0 and asking.answers > 0
    after = running(one)
    assert all(count == before.get(name, 0) for name, count in after.items()), "no container was started again"


def test_stop_and_start_keep_objects_and_addresses(one: LocalCluster) -> None:
    before = state(one)
    one.kubette("stop")
    kept = ("context", str(one.data), "route unreachable")  # the route: for clients that still ask
    assert not [row for row in one.leftovers() if not row.startswith(kept)]
    assert json.loads(one.kubette("ls", "-o", "json").stdout)[0]["state"] == "stopped"
    assert "no route to host" in one.kubectl("get", "nodes", "--request-timeout=5s", check=False)
    one.kubette("start")
    serves(one)
    assert state(one) == before


def test_a_running_cluster_grows_and_shrinks(one: LocalCluster) -> None:
    """The Service goes on answering; what a removed node ran moves, and nothing of the node is left."""

    def nodes() -> set[str]:
        return {node["metadata"]["name"] for node in one.get("nodes")["items"]}

    uid = one.get("node", "node-1")["metadata"]["uid"]
    one.kubette("up", "--nodes", "3")
    assert nodes() == {"node-1", "node-2", "node-3"} and one.get("node", "node-1")["metadata"]["uid"] == uid
    one.kubectl("scale", "rc", "kubia", "--replicas=6")
    until("six pods", lambda: len(running(one)) == 6, 60)
    used = {pod["spec"]["nodeName"] for pod in one.get("pods", "-l", "app=kubia")["items"]}
    assert used == {"node-1", "node-2", "node-3"}, used
    with Asking(one) as asking:
        one.kubette("up", "--nodes", "1", timeout=300)
        assert nodes() == {"node-1"}
        until("six pods again", lambda: len(running(one)) == 6, 60)
        one.kubectl("scale", "rc", "kubia", "--replicas=2")
        until("two pods", lambda: len(running(one)) == 2, 60)
    assert asking.failures == 0 and asking.answers > 0
    healthy(one)
    gone = [Path(f"/run/netns/kubette-{one.name}-node-{i}") for i in (2, 3)]
    gone += [one.data / one.name / "nodes" / f"node-{i}" for i in (2, 3)]
    assert [path for path in gone if path.exists()] == []
    assert not [line for line in one.processes().values() if "node-2" in line or "node-3" in line]


def test_a_second_cluster_beside_it(one: LocalCluster, tmp_path: Path) -> None:
    with cluster(f"two-{os.getpid()}", tmp_path, 2, "--no-ingress", kubectl=one.kubectl_path) as other:
        assert other.spec.subnet != one.spec.subnet
        for file in ("kubia-rc.yaml", "kubia-svc-nodeport.yaml"):
            other.kubectl("create", "-f", f"{EXAMPLES}/{file}")
        serves(other)
        serves(one)
        mine, theirs = running(one), running(other)
        assert not set(mine) & set(theirs)
        with Asking(one) as asking:
            other.down()
        assert asking.failures == 0 and asking.answers > 0
        assert other.leftovers() == []
        # The host still sends nothing for pods and services to its default route.
        route = subprocess.run(["ip", "route", "get", "10.43.0.1"], capture_output=True, text=True)
        assert route.returncode != 0, route.stdout


def test_everything_was_killed(tmp_path: Path, kubectl: str) -> None:
    """``up`` brings it back; so does it after a reboot, which leaves nothing but data; ``down`` takes it all away."""
    with cluster(f"dead-{os.getpid()}", tmp_path, 1, "--no-ingress", kubectl=kubectl) as made:
        made.kubectl("create", "-f", f"{EXAMPLES}/kubia-rc.yaml", "-f", f"{EXAMPLES}/kubia-svc-nodeport.yaml")
        serves(made)
        before = state(made)
        made.kill()
        made.up()
        healthy(made)
        serves(made)
        assert state(made) == before
        made.kill()
        forget_the_kernel(made)
        made.kubette("start")
        healthy(made)
        serves(made)
        assert state(made) == before
        made.kill()
        made.down()
        assert made.leftovers() == []


def forget_the_kernel(made: LocalCluster) -> None:
    """What a reboot takes away."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    below = (f"/run/kubette/{made.name}/", f"/run/netns/kubette-{made.name}", f"{made.data}/{made.name}/")
    for point in sorted((m for m in mounts if m.startswith(below)), reverse=True):
        subprocess.run(["umount", "-l", point], check=True)
    for path in Path("/run/netns").glob(f"kubette-{made.name}*"):
        path.unlink()
    shutil.rmtree(f"/run/kubette/{made.name}")
    subprocess.run(["ip", "link", "del", local.bridge_name(made.name)], check=True)
    subprocess.run(["nft", "delete", "table", "ip", f"kubette-{made.name}"], check=True)


def test_up_brings_back_what_others_took_away(one: LocalCluster) -> None:
    subprocess.run(["ip", "link", "del", local.bridge_name(one.name)], check=True)
    subprocess.run(["nft", "delete", "table", "ip", f"kubette-{one.name}"], check=True)
    assert one.kubette("status", check=False).returncode == 1
    one.up()
    healthy(one)
    serves(one)
    one.kubectl("delete", "-n", "kube-system", "deployment/kubette-dns", "service/kube-dns")
    until("no cluster DNS", lambda: not json.loads(one.kubette("status", "-o", "json", check=False).stdout)["dns"])
    one.up()
    healthy(one)
    one.kubette("node", "stop", "node-1")
    one.up()
    healthy(one)
    serves(one)


@pytest.mark.parametrize("moment", [0.2, 0.5, 0.8, 1.2])
def test_a_killed_up_can_be_said_again(tmp_path: Path, kubectl: str, moment: float) -> None:
    made = LocalCluster(f"cut-{os.getpid()}", tmp_path, kubectl)
    words = ("up", "--name", made.name, "--data-dir", str(made.data), "--no-ingress", "--nodes", "1")
    environment = {**os.environ, **made.environment, "KUBETTE_RESOLV_CONF": str(made.resolv_conf)}
    try:
        with subprocess.Popen([KUBETTE, *words], env=environment, stderr=subprocess.DEVNULL) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moment)
            process.kill()
        made.up(1)
        healthy(made)
    finally:
        made.down()
    assert made.leftovers() == []


def test_down_needs_no_data(tmp_path: Path, kubectl: str) -> None:
    with cluster(f"lost-{os.getpid()}", tmp_path, 2, "--no-ingress", kubectl=kubectl) as made:
        for lost in ("cluster.json", "kubeconfigs.json"):
            (made.data / made.name / lost).unlink()
        for lost in ("pki", "server"):
            shutil.rmtree(made.data / made.name / lost)
        made.down()
        assert made.leftovers() == []
        assert "there is no cluster" in made.kubette("down").stdout


def test_two_clusters_of_one_name(one: LocalCluster, tmp_path: Path) -> None:
    """Their data may lie apart; their namespaces cannot."""
    for command in ("up", "down", "stop", "status"):
        done = one.run(KUBETTE, command, "--name", one.name, "--data-dir", str(tmp_path), check=False)
        assert done.returncode == 1 and f"has its data in {one.data}; say --data-dir" in done.stderr, done.stderr
    healthy(one)


def test_commands_say_what_is_wrong(one: LocalCluster, tmp_path: Path) -> None:
    for words, message in (
        (("node", "stop", "node-9"), "has no node 'node-9'; it has node-1"),
        (("node", "exec", "node-9", "--", "true"), "has no node 'node-9'"),
    ):
        done = one.kubette(*words, check=False)
        assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr, done.stderr
    done = one.run(KUBETTE, "status", "--name", "nobody", "--data-dir", str(tmp_path), check=False)
    assert done.returncode == 1 and "there is no cluster 'nobody'" in done.stderr
    assert one.kubette("node", "exec", "node-1", "--", "sh", "-c", "exit 7", check=False).returncode == 7
