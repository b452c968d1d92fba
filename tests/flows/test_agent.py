"""A pod's life on a node, on fakes: start, crash, probe, end; and the agent's own death."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from kubette.agent.pressure import Threshold
from kubette.api.kinds import Kind, resource
from kubette.runtime.interface import Container, ContainerSpec, ExecResult, RuntimeFailure, Sandbox, SandboxSpec, Usage

from .agent_world import PODS, Obj, World, eventually


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_node_registers_and_keeps_its_lease(world: World) -> None:
    world.change(lease_renew_seconds=0.02, labels={"zone": "a"})
    async with world.agent():
        node = world.api.find("nodes", "node-1") or {}
        assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node-1"
        assert node["metadata"]["labels"]["zone"] == "a"
        assert {a["type"]: a["address"] for a in node["status"]["addresses"]} == {
            "InternalIP": "127.0.0.1",
            "Hostname": "node-1",
        }
        assert node["status"]["capacity"]["pods"] == "110"
        assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.36.0-kubette")
        assert world.network.cidrs == ("10.42.0.0/24",)
        leases = "leases.coordination.k8s.io"
        first = await world.api.until(lambda: world.api.find(leases, "node-1", "kube-node-lease"))
        assert first["spec"]["holderIdentity"] == "node-1"
        await world.api.until(lambda: world.api.find(leases, "node-1", "kube-node-lease") != first)


async def test_a_lease_whose_renewal_gets_no_answer_is_renewed_again(world: World) -> None:
    leases, unanswered = "leases.coordination.k8s.io", 1
    update = world.api.update

    async def lost(kind: Kind, obj: dict[str, Any], *, subresource: str | None = None) -> dict[str, Any]:
        nonlocal unanswered
        if kind.group_resource == leases and unanswered:
            unanswered -= 1
            await asyncio.Event().wait()
        return await update(kind, obj, subresource=subresource)

    world.api.update = lost
    world.change(lease_seconds=1, lease_renew_seconds=0.02)
    async with world.agent():
        first = await world.api.until(lambda: world.api.find(leases, "node-1", "kube-node-lease"))
        await world.api.until(lambda: world.api.find(leases, "node-1", "kube-node-lease") != first)
        assert not unanswered


async def test_create_ready_delete(world: World) -> None:
    service = {
        "metadata": {"name": "kubia", "namespace": "default"},
        "spec": {"clusterIP": "10.43.0.7", "ports": [{"name": "http", "port": 80}]},
    }
    await world.api.create(resource("services"), service)
    async with world.agent():
        began = time.monotonic()
        pod = await world.create(terminationGracePeriodSeconds=5)
        await world.ready()
        assert time.monotonic() - began < 0.5
        status = world.status()
        assert (status["phase"], status["podIP"], status["hostIP"]) == ("Running", "10.42.0.2", "127.0.0.1")
        kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
        assert all(world.condition(kind) == "True" for kind in kinds)
        assert world.container()["containerID"].startswith("kubette://")
        assert (world.container()["started"], world.container()["restartCount"]) == (True, 0)
        spec = world.runtime.spec("web")
        assert dict(spec.env)["KUBIA_SERVICE_PORT_HTTP"] == "80"
        assert {"/etc/hosts", "/etc/resolv.conf", "/dev/termination-log"} <= {m.target for m in spec.mounts}
        assert "10.42.0.2\tweb" in next(m.source for m in spec.mounts if m.target == "/etc/hosts").read_text()
        for reason, words in (
            ("Pulled", 'Container image "web:1" already present on machine'),
            ("Created", "Container created"),
            ("Started", "Container started"),
        ):
            assert (await world.event(reason, words))["involvedObject"]["fieldPath"] == "spec.containers{web}"
        await world.api.delete(PODS, "web", "default")
        await world.api.until(lambda: not world.pod())
        await world.event("Killing", "Stopping container web")
        assert world.runtime.log[-1] == ("stop", "web")
        assert not world.network.attached
        uid = pod["metadata"]["uid"]
        await eventually(lambda: not world.config.pod_dir(uid).exists())


async def test_grace_then_kill_and_a_hook_before(world: World) -> None:
    world.runtime.ignores_sigterm.add("web")
    hook = {"preStop": {"exec": {"command": ["drain"]}}}
    async with world.agent():
        containers = [{"name": "web", "image": "web:1", "lifecycle": hook}]
        await world.create(containers=containers, terminationGracePeriodSeconds=60)
        await world.ready()
        await world.api.delete(PODS, "web", "default")
        await world.event("Killing")
        assert ("exec", "drain") in world.runtime.log
        await world.api.delete(PODS, "web", "default", grace_seconds=1)  # the user has lost patience
        await world.api.until(lambda: not world.pod())


async def test_hooks_that_fail_tell_no_secrets_in_events(world: World) -> None:
    world.runtime.execs = lambda command: ExecResult(4, b"pw=hunter2")
    hook = {"exec": {"command": ["init"]}}
    async with world.agent():
        containers = [{"name": "web", "image": "web:1", "lifecycle": {"postStart": hook}}]
        await world.create(containers=containers, terminationGracePeriodSeconds=1)
        told = await world.event("FailedPostStartHook")
        assert told["message"] == "PostStartHook failed"
        await world.event("Killing", "FailedPostStartHook")
        await world.create("b", containers=[{"name": "b", "image": "web:1", "lifecycle": {"preStop": hook}}])
        await world.ready("b")
        await world.api.delete(PODS, "b", "default", grace_seconds=1)
        assert (await world.event("FailedPreStopHook"))["message"] == "PreStopHook failed"
        assert not any("hunter2" in e["message"] for e in world.api.all("events"))


async def test_crash_loop(world: World) -> None:
    world.change(backoff_first=0.5)
    world.runtime.on_start = lambda spec: 3
    async with world.agent():
        await world.create()
        await world.api.until(lambda: world.state() == ("waiting", "CrashLoopBackOff"))
        last = world.container()["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (3, "Error")
        assert world.container()["restartCount"] == 1  # the first restart is immediate
        uid = world.pod()["metadata"]["uid"]
        assert world.container()["state"]["waiting"]["message"] == (
            f"back-off 0s restarting failed container=web pod=web_default({uid})"
        )
        assert world.status()["phase"] == "Running"
        assert world.condition("Ready") == "False"
        await world.event("BackOff", f"Back-off restarting failed container web in pod web_default({uid})")
        world.runtime.on_start = lambda spec: None
        await world.ready()
        assert world.container()["restartCount"] == 2
        assert world.container()["lastState"]["terminated"]["exitCode"] == 3


@pytest.mark.parametrize(
    ("policy", "code", "phase", "restarts"),
    [("Never", 0, "Succeeded", 0), ("Never", 2, "Failed", 0), ("OnFailure", 0, "Succeeded", 0)],
)
async def test_a_pod_that_ends(world: World, policy: str, code: int, phase: str, restarts: int) -> None:
    world.runtime.on_start = lambda spec: code
    async with world.agent():
        await world.create(restartPolicy=policy)
        await world.api.until(lambda: world.status().get("phase") == phase)
        assert world.state() == ("terminated", "Completed" if code == 0 else "Error")
        ready = next(c for c in world.status()["conditions"] if c["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "PodCompleted" if code == 0 else "PodFailed")
        assert world.container()["restartCount"] == restarts
        assert world.status()["podIP"] == "10.42.0.2"  # told, though free again


async def test_a_pod_that_has_ended_is_left_alone(world: World) -> None:
    """Also one with volumes that were brought up to date, and measured, while it ran."""
    world.change(usage_seconds=0.05)
    looks: list[str] = []
    get = world.runtime.get

    async def counted(identity: str) -> Container | None:
        looks.append(identity)
        return await get(identity)

    world.runtime.get = counted
    world.runtime.on_start = lambda spec: 0
    async with world.agent():
        volumes = [{"name": "v", "downwardAPI": {"items": []}}, {"name": "e", "emptyDir": {"sizeLimit": "1Mi"}}]
        await world.create("ends", restartPolicy="Never", volumes=volumes)
        await world.api.until(lambda: world.status("ends").get("phase") == "Succeeded")
        ended = world.container(pod="ends")["containerID"].partition("://")[2]
        before = looks.count(ended)
        await world.create("crashes")
        await world.api.until(lambda: world.container(pod="crashes").get("restartCount") == 2)
        assert looks.count(ended) - before < 10


async def test_init_containers_and_sidecars(world: World) -> None:
    inits = [
        {"name": "first", "image": "init:1"},
        {"name": "side", "image": "side:1", "restartPolicy": "Always"},
        {"name": "second", "image": "init:1"},
    ]
    world.runtime.on_start = lambda spec: 0 if spec.name in ("first", "second") else None
    async with world.agent():
        await world.create(initContainers=inits, restartPolicy="Never")
        await world.ready()
        assert [n for verb, n in world.runtime.log if verb == "start"] == ["first", "side", "second", "web"]
        assert world.state("first") == ("terminated", "Completed")
        assert world.container("side")["started"] is True
        world.runtime.exit("web", 0)
        await world.api.until(lambda: world.status()["phase"] == "Succeeded")
        assert world.runtime.log[-1] == ("stop", "side")


async def test_a_failing_init_container_holds_the_pod(world: World) -> None:
    world.change(backoff_first=0.4)
    world.runtime.on_start = lambda spec: 1 if spec.name == "first" else None
    async with world.agent():
        await world.create(initContainers=[{"name": "first", "image": "init:1"}])
        await world.api.until(lambda: world.state("first") == ("waiting", "CrashLoopBackOff"))
        assert world.state("web") == ("waiting", "PodInitializing")
        assert world.status()["phase"] == "Pending"
        shown = next(c for c in world.status()["conditions"] if c["type"] == "Initialized")
        assert shown["message"] == "containers with incomplete status: [first]"


async def test_an_image_that_does_not_exist(world: World) -> None:
    world.change(backoff_first=0.4)
    async with world.agent():
        await world.create(containers=[{"name": "web", "image": "nowhere:1"}])
        await world.api.until(lambda: world.state() == ("waiting", "ErrImagePull"))
        assert "not found" in world.container()["state"]["waiting"]["message"]
        await world.api.until(lambda: world.state() == ("waiting", "ImagePullBackOff"))
        await world.event("Failed", "Error: ImagePullBackOff")
        await world.event("BackOff", 'Back-off pulling image "nowhere:1"')
        world.images.remote.add("nowhere:1")
        await world.ready()
        await world.event("Pulled", 'Successfully pulled image "nowhere:1" in')


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [("Bad Name", "Always", "InvalidImageName"), ("absent:1", "Never", "ErrImageNeverPull")],
)
async def test_images_that_are_not_tried(world: World, image: str, policy: str, reason: str) -> None:
    async with world.agent():
        await world.create(containers=[{"name": "web", "image": image, "imagePullPolicy": policy}])
        await world.api.until(lambda: world.state() == ("waiting", reason))
        assert world.images.pulls == []


async def test_a_container_that_cannot_start(world: World) -> None:
    def refuse(spec: ContainerSpec) -> int | None:
        raise RuntimeFailure('exec: "nope": executable file not found in $PATH')

    world.runtime.on_start = refuse
    async with world.agent():
        await world.create(restartPolicy="Never")
        await world.event("Failed", "Error: exec")
        await world.api.until(lambda: world.status().get("phase") == "Failed")
        assert world.state() == ("terminated", "StartError")  # it waits for nothing


async def test_readiness_and_liveness(world: World) -> None:
    answers = {"ready": 1, "live": 0}
    world.runtime.execs = lambda command: ExecResult(answers[command[0]], b"no")
    probe = {"periodSeconds": 0.05, "failureThreshold": 1}
    containers = [
        {
            "name": "web",
            "image": "web:1",
            "readinessProbe": {**probe, "exec": {"command": ["ready"]}},
            "livenessProbe": {**probe, "exec": {"command": ["live"]}},
        }
    ]
    async with world.agent():
        await world.create(containers=containers)
        await world.event("Unhealthy", "Readiness probe failed: no")
        assert world.condition("Ready") == "False"
        answers["ready"] = 0
        await world.ready()
        answers["ready"] = 1
        await world.unready()
        answers["live"] = 1
        await world.event("Killing", "Container web failed liveness probe, will be restarted")
        answers["live"] = answers["ready"] = 0
        await world.api.until(lambda: world.container()["restartCount"] >= 1)
        await world.ready()


async def test_a_startup_probe_gates_readiness_of_containers_and_sidecars(world: World) -> None:
    up: set[str] = set()
    world.runtime.execs = lambda command: ExecResult(0 if command[0] in up else 1, b"no")

    def started(name: str) -> Obj:
        probe = {"exec": {"command": [name]}, "periodSeconds": 0.05, "failureThreshold": 1000}
        return {"name": name, "image": "web:1", "startupProbe": probe}

    async with world.agent():
        await world.create(containers=[started("web")], initContainers=[{**started("side"), "restartPolicy": "Always"}])
        await world.event("Unhealthy", "Startup probe failed: no")
        shown = world.container("side")
        assert ("running" in shown["state"], shown["started"], shown["ready"]) == (True, False, False)
        assert world.runtime.running() == ["side"]
        up.add("side")
        await world.api.until(lambda: world.state()[0] == "running")
        assert world.container("side")["ready"] is True
        assert (world.container()["started"], world.container()["ready"]) == (False, False)
        assert world.condition("Ready") == "False"
        up.add("web")
        await world.ready()


async def test_a_container_runs_for_the_api_and_is_probed_after_its_post_start_hook(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, hook = asyncio.Event(), asyncio.Event()
    probes: list[str] = []

    async def execute(identity: str, command: list[str], timeout: float) -> ExecResult:
        if command == ["hook"]:
            begun.set()
            await hook.wait()
        else:
            probes.append(command[0])
        return ExecResult(0, b"")

    monkeypatch.setattr(world.runtime, "exec", execute)
    container = {
        "name": "web",
        "image": "web:1",
        "lifecycle": {"postStart": {"exec": {"command": ["hook"]}}},
        "livenessProbe": {"exec": {"command": ["live"]}, "periodSeconds": 0.05},
    }
    async with world.agent():
        await world.create(containers=[container])
        await asyncio.wait_for(begun.wait(), 5)
        await world.api.until(lambda: world.container().get("containerID"))
        assert world.runtime.running() == ["web"]
        assert (world.state(), world.container()["ready"]) == (("waiting", "ContainerCreating"), False)
        assert world.status()["phase"] == "Pending"
        assert probes == []
        hook.set()
        await world.ready()
        await eventually(lambda: probes)


async def test_pre_stop_hooks_run_at_once_and_sidecars_stop_last(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks, web = [], asyncio.Event()

    async def execute(identity: str, command: list[str], timeout: float) -> ExecResult:
        hooks.append(command[0])
        if command == ["web"]:
            await web.wait()
        return ExecResult(0, b"")

    monkeypatch.setattr(world.runtime, "exec", execute)

    def hooked(name: str) -> Obj:
        return {"name": name, "image": "web:1", "lifecycle": {"preStop": {"exec": {"command": [name]}}}}

    async with world.agent():
        sides = [{**hooked(name), "restartPolicy": "Always"} for name in ("one", "two")]
        await world.create(containers=[hooked("web")], initContainers=sides, terminationGracePeriodSeconds=60)
        await world.ready()
        await world.api.delete(PODS, "web", "default")
        await eventually(lambda: sorted(hooks) == ["one", "two", "web"])
        assert sorted(world.runtime.running()) == ["one", "two", "web"]
        web.set()
        await world.api.until(lambda: not world.pod())
        assert [name for verb, name in world.runtime.log if verb == "stop"] == ["web", "two", "one"]


async def test_what_fails_its_liveness_probe_restarts_even_if_it_then_exits_with_zero(world: World) -> None:
    answers = {"live": 1}
    world.runtime.execs = lambda command: ExecResult(answers[command[0]], b"no")
    probe = {"exec": {"command": ["live"]}, "periodSeconds": 0.05, "failureThreshold": 1}
    async with world.agent():
        containers = [{"name": "web", "image": "web:1", "livenessProbe": probe}]
        world.runtime.stopped_with = 0
        await world.create(containers=containers, restartPolicy="OnFailure")
        await world.event("Killing", "Container web failed liveness probe, will be restarted")
        answers["live"] = 0
        await world.api.until(lambda: world.container()["restartCount"] == 1)
        await world.ready()
        assert world.container()["lastState"]["terminated"]["exitCode"] == 0


async def test_volumes_follow_their_objects(world: World) -> None:
    volumes = [{"name": "cfg", "configMap": {"name": "cfg"}}]
    containers = [{"name": "web", "image": "web:1", "volumeMounts": [{"name": "cfg", "mountPath": "/cfg"}]}]
    async with world.agent():
        await world.create(containers=containers, volumes=volumes)
        await world.event("FailedMount", 'MountVolume.SetUp failed for volume "cfg" : configmap "cfg" not found')
        assert world.state() == ("waiting", "ContainerCreating")
        made = {"metadata": {"name": "cfg", "namespace": "default"}, "data": {"a": "1"}}
        await world.api.create(resource("configmaps"), made)
        await world.ready()
        path = next(m.source for m in world.runtime.spec("web").mounts if m.target == "/cfg")
        assert (path / "a").read_text() == "1"
        await world.api.patch(resource("configmaps"), "cfg", {"data": {"a": "2"}}, "default")
        await eventually(lambda: (path / "a").read_text() == "2")


async def test_preparing_a_pod_is_tried_again_whatever_went_wrong(world: World) -> None:
    create, failures = world.runtime.create_sandbox, [ValueError("not foreseen")]

    async def once(spec: SandboxSpec) -> Sandbox:
        if failures:
            raise failures.pop()
        return await create(spec)

    world.runtime.create_sandbox = once
    async with world.agent():
        await world.create()
        await world.ready()
    assert not failures


async def test_a_missing_key_holds_only_its_container(world: World) -> None:
    ref = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    containers = [{"name": "web", "image": "web:1", "env": [ref]}, {"name": "side", "image": "side:1"}]
    async with world.agent():
        await world.create(containers=containers)
        await world.api.until(lambda: world.state() == ("waiting", "CreateContainerConfigError"))
        assert world.container()["state"]["waiting"]["message"] == 'secret "s" not found'
        await world.api.until(lambda: world.state("side")[0] == "running")


async def test_a_pod_that_the_node_does_not_take(world: World) -> None:
    greedy = [{"name": "web", "image": "web:1", "resources": {"requests": {"cpu": "1000"}}}]
    async with world.agent():
        await world.create("greedy", containers=greedy)
        await world.api.until(lambda: world.status("greedy").get("phase") == "Failed")
        told = world.status("greedy")
        words = "Node didn't have enough resource: cpu, requested: 1000000, used: 0"
        assert told["reason"] == "OutOfcpu"
        assert told["message"].startswith(f"Pod was rejected: {words}")
        assert "containerStatuses" not in told
        assert (await world.event("OutOfcpu", words))["type"] == "Warning"
        await world.create()  # what was refused takes no room
        await world.ready()
        await world.api.delete(PODS, "greedy", "default")
        await world.api.until(lambda: not world.pod("greedy"))
    assert not any(kind == "start" and name == "greedy" for kind, name in world.runtime.log)


async def test_an_empty_dir_that_grows_too_big(world: World) -> None:
    world.change(usage_seconds=0.05)
    volume = {"name": "e", "emptyDir": {"sizeLimit": "1Mi"}}
    async with world.agent():
        mounts = [{"name": "e", "mountPath": "/e"}]
        await world.create(containers=[{"name": "web", "image": "web:1", "volumeMounts": mounts}], volumes=[volume])
        await world.ready()
        path = next(m.source for m in world.runtime.spec("web").mounts if m.target == "/e")
        (path / "small").write_bytes(b"x" * 1000)
        (path / "big").write_bytes(b"x" * (2 << 20))
        await world.api.until(lambda: world.status().get("phase") == "Failed")
        words = 'Usage of EmptyDir volume "e" exceeds the limit "1Mi". '
        assert (world.status()["reason"], world.status()["message"]) == ("Evicted", words)
        assert (await world.event("Evicted"))["message"] == words
        assert world.runtime.log[-1] == ("stop", "web")


async def test_a_pod_over_its_limit_of_local_storage_is_evicted_without_its_grace(world: World) -> None:
    world.change(usage_seconds=0.05)
    world.runtime.ignores_sigterm.add("web")
    limited = {"name": "web", "image": "web:1", "resources": {"limits": {"ephemeral-storage": "2Mi"}}}
    async with world.agent():
        await world.create(containers=[limited], terminationGracePeriodSeconds=3600)
        await world.create("free")
        await world.ready()
        await world.ready("free")
        world.runtime.usage["web"] = Usage(8 << 20)
        await world.api.until(lambda: world.status().get("phase") == "Failed")
        words = "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "
        assert (world.status()["reason"], world.status()["message"]) == ("Evicted", words)
        assert world.state()[0] == "terminated"
        assert world.status("free")["phase"] == "Running"


async def test_a_node_that_runs_short_says_so_and_refuses_pods_until_there_is_room(world: World) -> None:
    full = (Threshold("nodefs.available", 2.0),)  # met by any disk
    world.change(usage_seconds=0.05, thresholds=full)
    async with world.agent():
        assert world.node_condition("DiskPressure") == "True"
        assert world.node_condition("MemoryPressure") == "False"
        words = "Node node-1 status is now: NodeHasDiskPressure"
        assert (await world.event("NodeHasDiskPressure"))["message"] == words
        await world.create()
        await world.api.until(lambda: world.status().get("phase") == "Failed")
        words = "Pod was rejected: The node had condition: [DiskPressure]. "
        assert (world.status()["reason"], world.status()["message"]) == ("Evicted", words)
    world.change(thresholds=())
    async with world.agent():
        await world.api.until(lambda: world.node_condition("DiskPressure") == "False")
        await world.create("later")
        await world.ready("later")


async def test_a_damaged_image_store_ends_no_agent(world: World) -> None:
    world.images.damaged = "index.json is damaged"
    async with world.agent():
        assert world.node_condition("Ready") == "True"
        assert (world.api.find("nodes", "node-1") or {})["status"]["images"] == []


async def test_an_ephemeral_container(world: World) -> None:
    look = {"name": "look", "image": "side:1", "targetContainerName": "web", "stdin": True}
    async with world.agent():
        await world.create()
        await world.ready()
        await world.api.patch(PODS, "web", {"spec": {"ephemeralContainers": [look]}}, "default")
        await world.api.until(lambda: world.status().get("ephemeralContainerStatuses"))
        await world.api.until(lambda: "running" in world.status()["ephemeralContainerStatuses"][0]["state"])
        spec = world.runtime.spec("look")
        assert "kubette://" + spec.pid_of == world.container()["containerID"]
        where = (await world.event("Started"))["involvedObject"]
        assert where["fieldPath"] in ("spec.containers{web}", "spec.ephemeralContainers{look}")
        world.runtime.exit("look", 3)
        await world.api.until(lambda: "terminated" in world.status()["ephemeralContainerStatuses"][0]["state"])
        assert world.condition("Ready") == "True"
        assert world.runtime.log == [("start", "web"), ("start", "look")]
        lost = {"name": "lost", "image": "side:1", "targetContainerName": "nobody"}
        await world.api.patch(PODS, "web", {"spec": {"ephemeralContainers": [look, lost]}}, "default")
        await world.event("Failed", "Error: unable to find target container nobody")


async def test_the_room_of_a_pod_is_free_by_the_time_that_the_api_says_that_it_has_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = asyncio.Event()

    async def detach(pod_uid: str) -> None:  # takes its time
        await other.wait()

    monkeypatch.setattr(world.network, "detach", detach)
    async with world.agent():
        cpu = (world.api.find("nodes", "node-1") or {})["status"]["allocatable"]["cpu"]
        whole = [{"name": "web", "image": "web:1", "resources": {"requests": {"cpu": cpu}}}]
        await world.create("first", whole)
        await world.ready("first")
        await world.api.delete(PODS, "first", "default", grace_seconds=1)
        await world.api.until(lambda: world.status("first").get("phase") in ("Failed", "Succeeded"))
        await world.create("second", whole)
        await world.ready("second")
        other.set()
        await world.api.until(lambda: not world.pod("first"))


async def test_a_deadline(world: World) -> None:
    async with world.agent():
        await world.create(activeDeadlineSeconds=1, restartPolicy="Never")
        await world.api.until(lambda: world.status().get("reason") == "DeadlineExceeded")
        assert world.status()["phase"] == "Failed"
        await world.api.until(lambda: world.state()[0] == "terminated")


async def test_a_new_agent_takes_over(world: World) -> None:
    probe = {"exec": {"command": ["ready"]}, "periodSeconds": 60, "initialDelaySeconds": 0}
    async with world.agent():
        await world.create(containers=[{"name": "web", "image": "web:1", "readinessProbe": probe}])
        await world.create("old")
        await world.ready()
        await world.ready("old")
        before = world.container()
    await world.api.delete(PODS, "old", "default", grace_seconds=0)
    unready = []

    def watch() -> bool:
        if world.condition("Ready") != "True":
            unready.append(world.status())
        return ("stop", "web") in world.runtime.log

    async with world.agent():
        await eventually(watch)
        assert world.runtime.running() == ["web"]  # the orphan has gone, the other was never touched
        assert not unready
        assert world.container() == before
        assert world.container()["restartCount"] == 0
        world.runtime.exit("web", 1)  # and it is looked after
        await world.api.until(lambda: world.container()["restartCount"] == 1)


async def test_a_reboot(world: World) -> None:
    world.runtime.on_start = lambda spec: 0 if spec.name == "init" else None
    async with world.agent():
        await world.create(initContainers=[{"name": "init", "image": "init:1"}])
        await world.create("once", containers=[{"name": "once", "image": "web:1"}], restartPolicy="Never")
        await world.ready()
        await world.ready("once")
    world.runtime.reboot()
    world.runtime.log.clear()
    async with world.agent():
        await world.api.until(lambda: world.container()["restartCount"] == 1 and world.container()["ready"])
        await world.api.until(lambda: world.status("once").get("phase") == "Failed")
        assert world.runtime.log == [("start", "init"), ("start", "web")]
        assert world.container("init")["restartCount"] == 1
        last = world.container()["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (255, "Unknown")
        await world.event("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        await eventually(lambda: len(world.network.attached) == 1)  # the pod that is over has no address


async def test_a_pod_of_the_same_name_follows(world: World) -> None:
    world.runtime.ignores_sigterm.add("web")
    async with world.agent():
        first = await world.create(terminationGracePeriodSeconds=2)
        await world.ready()
        await world.api.delete(PODS, "web", "default", grace_seconds=0)
        second = await world.create()
        await world.ready()
        assert world.pod()["metadata"]["uid"] == second["metadata"]["uid"] != first["metadata"]["uid"]
