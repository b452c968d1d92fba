"""Controllers and scheduler at work on the real API server, each under its own identity, over TLS."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubette import controllers, scheduler
from kubette.api import errors, meta
from kubette.api.kinds import resource
from kubette.client.config import ClientConfig
from kubette.client.http import Client
from kubette.client.informer import Informer
from kubette.testing.apiserver import Api, client_tls, serving

Obj = dict[str, Any]


@dataclass
class Plane:
    """The administrator's client, and what it sees of each kind."""

    api: Api
    client: Client
    informers: dict[str, Informer[Obj]]
    changed: asyncio.Event

    def all(self, kind: str, namespace: str = "default") -> list[Obj]:
        return [o for (ns, _), o in self.informers[kind].items.items() if ns in ("", namespace)]

    def find(self, kind: str, name: str, namespace: str = "default") -> Obj:
        items = self.informers[kind].items
        return items.get((namespace, name)) or items.get(("", name)) or {}

    async def until(self, holds: Callable[[], Any], timeout: float = 15.0) -> Any:
        async with asyncio.timeout(timeout):
            while not (out := holds()):
                self.changed.clear()
                await self.changed.wait()
        return out


WATCHED = (
    "pods", "replicationcontrollers", "replicasets.apps", "deployments.apps", "services", "endpoints", "nodes",
    "endpointslices.discovery.k8s.io", "namespaces", "serviceaccounts", "configmaps", "events", "secrets",
    "clusterroles.rbac.authorization.k8s.io", "certificatesigningrequests.certificates.k8s.io",
    "poddisruptionbudgets.policy", "persistentvolumeclaims",
)  # fmt: skip


def _config(api: Api, name: str) -> ClientConfig:
    pair = api.pki.client(name)
    return ClientConfig(api.url, ca=api.pki.ca.cert.read_text(), cert=pair.cert.read_text(), key=pair.key.read_text())


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(serving(tmp_path))
        admin = await stack.enter_async_context(Client(_config(api, "admin")))
        manager = await stack.enter_async_context(Client(_config(api, "controller-manager")))
        binder = await stack.enter_async_context(Client(_config(api, "scheduler")))
        changed = asyncio.Event()
        informers = {name: Informer[Obj](admin, resource(name)) for name in WATCHED}
        for informer in informers.values():
            informer.subscribe(lambda key, old, new: changed.set())
        config = controllers.ControllersConfig(
            root_ca=api.pki.ca.cert.read_text(),
            signing_cert=api.pki.ca.cert,
            signing_key=api.pki.ca.key,
            token_key=api.pki.sa_signing_key,
            load_balancer_pool=("172.29.0.200-172.29.0.250",),
            node_grace_seconds=30,
        )
        works = {
            "controllers": controllers.run(manager, config),
            "scheduler": scheduler.run(binder, scheduler.SchedulerConfig()),
            **{f"informer {name}": informer.run() for name, informer in informers.items()},
        }
        tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
        for informer in informers.values():
            await asyncio.wait_for(informer.wait_synced(), 10)
        yield Plane(api, admin, informers, changed)
        for task in tasks:
            assert not task.done(), task
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def node(plane: Plane, name: str) -> None:
    made = await plane.client.create(
        resource("nodes"), {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    )
    conditions = [{"type": "Ready", "status": "True", "lastHeartbeatTime": meta.now()}]
    change = {"status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "conditions": conditions}}
    await plane.client.patch(resource("nodes"), meta.name(made), change, subresource="status", type="strategic")
    await plane.until(lambda: plane.find("nodes", name)["spec"].get("podCIDR"))
    await plane.until(lambda: not plane.find("nodes", name)["spec"].get("taints"))


TEMPLATE = {"metadata": {"labels": {"app": "kubia"}}, "spec": {"containers": [{"name": "kubia", "image": "kubia"}]}}


def rc(replicas: int) -> Obj:
    spec = {"replicas": replicas, "selector": {"app": "kubia"}, "template": TEMPLATE}
    m = {"name": "kubia", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": m, "spec": spec}


async def started(plane: Plane, pod: Obj, number: int) -> None:
    """What an agent reports once the pod runs."""
    ready = [{"type": t, "status": "True"} for t in ("Ready", "ContainersReady", "Initialized")]
    ip = f"10.42.{number % 2}.{2 + number}"
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": ready}
    await plane.client.patch(
        resource("pods"), meta.name(pod), {"status": status}, "default", subresource="status", type="strategic"
    )


async def test_twenty_pods_are_made_placed_and_served_well_within_a_second(plane: Plane) -> None:
    for name in ("node-1", "node-2"):
        await node(plane, name)
    service = {"selector": {"app": "kubia"}, "ports": [{"port": 80, "targetPort": 8080}], "type": "LoadBalancer"}
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubia", "namespace": "default"}}
    await plane.client.create(resource("services"), {**made, "spec": service})
    start = time.process_time()  # not the clock: other work on the machine is no fault of ours
    await plane.client.create(resource("replicationcontrollers"), rc(20))
    placed = await plane.until(
        lambda: len(p := plane.all("pods")) == 20 and all(o["spec"].get("nodeName") for o in p) and p
    )
    seconds = time.process_time() - start
    print(f"20 pods created and bound in {seconds:.3f} s")
    assert seconds < 2, "well under a second on an idle machine"
    assert {o["spec"]["nodeName"] for o in placed} == {"node-1", "node-2"}
    for number, pod in enumerate(placed):
        await started(plane, pod, number)
    await plane.until(lambda: plane.find("replicationcontrollers", "kubia")["status"].get("availableReplicas") == 20)

    def served() -> bool:
        subsets = plane.find("endpoints", "kubia").get("subsets") or [{}]
        slices = [s for s in plane.all("endpointslices.discovery.k8s.io") if meta.name(s).startswith("kubia-")]
        ready = [e for s in slices for e in s["endpoints"] or () if e["conditions"]["ready"]]
        return len(subsets[0].get("addresses", ())) == 20 == len(ready) and len(slices) == 1

    await plane.until(served)
    await plane.until(
        lambda: (
            plane.find("services", "kubia")["status"]["loadBalancer"].get("ingress")
            == [{"ip": "172.29.0.200", "ipMode": "VIP"}]
        )
    )
    scale = await plane.client.request("GET", "/api/v1/namespaces/default/replicationcontrollers/kubia/scale")
    scale["spec"]["replicas"] = 3
    path = "/api/v1/namespaces/default/replicationcontrollers/kubia/scale"
    await plane.client.request("PUT", path, body=scale)
    await plane.until(lambda: sum(not meta.deleting(p) for p in plane.all("pods")) == 3)
    told = {"SuccessfulCreate", "SuccessfulDelete", "Scheduled", "EnsuredLoadBalancer"}
    await plane.until(lambda: told <= {e["reason"] for e in plane.all("events")})


async def test_a_deployment_rolls_over_and_goes_with_all_it_made(plane: Plane) -> None:
    await node(plane, "node-1")
    deployments = resource("deployments.apps")
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "kubia"}}, "template": TEMPLATE}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "kubia", "namespace": "default"}}
    await plane.client.create(deployments, {**made, "spec": spec})
    done: set[str] = set()

    async def agent() -> None:
        """Starts what is placed, ends what is deleted."""
        while True:
            await plane.until(lambda: any(_todo(p, done) for p in plane.all("pods")), 3600)
            for pod in [p for p in plane.all("pods") if _todo(p, done)]:
                done.add(_todo(pod, done))
                try:
                    if meta.deleting(pod):
                        await plane.client.delete(resource("pods"), meta.name(pod), "default", grace_seconds=0)
                    else:
                        await started(plane, pod, len(done))
                except errors.NotFound:
                    pass

    task = asyncio.create_task(agent(), name="agent")
    await plane.until(lambda: _rolled(plane, "1"))
    image = {"spec": {"template": {"spec": {"containers": [{"name": "kubia", "image": "kubia:v2"}]}}}}
    await plane.client.patch(deployments, "kubia", image, "default", type="strategic")
    await plane.until(lambda: _rolled(plane, "2"))
    await plane.until(lambda: {p["spec"]["containers"][0]["image"] for p in plane.all("pods")} == {"kubia:v2"})
    await plane.client.delete(deployments, "kubia", "default", propagation="Foreground")
    await plane.until(lambda: not (plane.all("deployments.apps") or plane.all("replicasets.apps") or plane.all("pods")))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _todo(pod: Obj, done: set[str]) -> str:
    """What the agent has to do next for a pod, once; empty: nothing."""
    if not pod["spec"].get("nodeName"):
        return ""
    step = f"{'end' if meta.deleting(pod) else 'start'} {meta.uid(pod)}"
    return "" if step in done else step


def _rolled(plane: Plane, revision: str) -> bool:
    obj = plane.find("deployments.apps", "kubia")
    status = obj.get("status") or {}
    return (
        meta.annotations(obj).get("deployment.kubernetes.io/revision") == revision
        and status.get("observedGeneration") == obj["metadata"]["generation"]
        and status.get("updatedReplicas") == status.get("replicas") == status.get("availableReplicas") == 2
        and (meta.condition(obj, "Progressing") or {}).get("reason") == "NewReplicaSetAvailable"
    )


async def test_a_namespace_is_furnished_emptied_and_gone(plane: Plane) -> None:
    namespaces = resource("namespaces")
    await plane.client.create(namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})
    await plane.until(lambda: plane.find("serviceaccounts", "default", "x"))
    await plane.until(lambda: plane.find("configmaps", "kube-root-ca.crt", "x"))
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "x"}}
    await plane.client.create(
        resource("services"), {**service, "spec": {"selector": {"a": "b"}, "ports": [{"port": 1}]}}
    )
    await plane.until(lambda: plane.find("endpoints", "s", "x"))
    await plane.client.delete(namespaces, "x")
    await plane.until(lambda: ("", "x") not in plane.informers["namespaces"].items)
    assert plane.all("endpoints", "x") == plane.all("configmaps", "x") == []
    held = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}}
    await plane.client.create(resource("pods"), {**held, "spec": TEMPLATE["spec"]})
    await plane.until(lambda: (meta.condition(plane.find("pods", "p"), "PodScheduled") or {}).get("reason"))
    condition = meta.condition(plane.find("pods", "p"), "PodScheduled") or {}
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert condition["message"] == "no nodes available to schedule pods"


ROLES, REQUESTS = "clusterroles.rbac.authorization.k8s.io", "certificatesigningrequests.certificates.k8s.io"


async def whoami(api: Api, context: ssl.SSLContext, token: str = "") -> tuple[int, str]:
    """(status, user name) that the server sees behind a certificate or token."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        status, answer = await Api(api.port, session, api.pki).call("POST", path, review, **headers)
        return status, answer["status"]["userInfo"]["username"] if status == 201 else ""


async def test_an_aggregated_cluster_role_is_the_sum_of_its_parts(plane: Plane) -> None:
    def groups(name: str) -> set[str]:
        return {g for rule in plane.find(ROLES, name).get("rules") or () for g in rule.get("apiGroups") or ()}

    rule = {"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true", "mine": "yes"}
    part = {"metadata": {"name": "part", "labels": labels}, "rules": [rule]}
    selectors = {"clusterRoleSelectors": [{"matchLabels": {"mine": "yes"}}]}
    typed = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    await plane.client.create(resource(ROLES), {**typed, **part})
    await plane.client.create(resource(ROLES), {**typed, "metadata": {"name": "sum"}, "aggregationRule": selectors})
    await plane.until(lambda: all("example.com" in groups(n) for n in ("sum", "view", "edit", "admin")))
    await plane.client.delete(resource(ROLES), "part")
    await plane.until(lambda: not any("example.com" in groups(n) for n in ("sum", "view", "edit", "admin")))
    assert "apps" in groups("view"), "what else a role has stays"


def signing_request(name: str, signer: str, cn: str, organization: str, *usages: str) -> tuple[Obj, bytes]:
    """(CertificateSigningRequest, private key in PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, cn)]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes if value])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    encoded = base64.b64encode(csr.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": encoded, "signerName": f"kubernetes.io/{signer}", "usages": list(usages)}
    typed = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {**typed, "metadata": {"name": name}, "spec": {**spec, "expirationSeconds": 3600}}, pem


async def approve(plane: Plane, request: Obj) -> None:
    condition = {"type": "Approved", "status": "True", "reason": "Test", "message": ""}
    changed = {**request, "status": {"conditions": [condition]}}
    await plane.client.update(resource(REQUESTS), changed, subresource="approval")


async def test_an_approved_request_is_signed_or_fails_by_its_signers_rules(plane: Plane, tmp_path: Path) -> None:
    good, key = signing_request("good", "kube-apiserver-client", "alice", "devs", "client auth")
    bad, _ = signing_request("bad", "kube-apiserver-client", "alice", "devs", "server auth")
    for request in (good, bad):
        await approve(plane, await plane.client.create(resource(REQUESTS), request))
    issued = await plane.until(lambda: (plane.find(REQUESTS, "good").get("status") or {}).get("certificate"))
    pair = tmp_path / "alice.pem"
    pair.write_bytes(key + base64.b64decode(issued))
    context = client_tls(plane.api.pki, None)
    context.load_cert_chain(pair)
    assert await whoami(plane.api, context) == (201, "alice")
    failed = await plane.until(lambda: meta.condition(plane.find(REQUESTS, "bad"), "Failed"))
    assert (failed["reason"], failed["message"]) == (
        "SignerValidationFailure",
        "invalid usage for client certificate: server auth",
    )


async def test_a_nodes_own_request_is_approved_where_a_right_says_so(plane: Plane) -> None:
    usages = ("digital signature", "client auth")
    request, _ = signing_request("n", "kube-apiserver-client-kubelet", "system:node:n", "system:nodes", *usages)
    await plane.client.create(resource(REQUESTS), request)  # an administrator may do everything
    await plane.until(lambda: (plane.find(REQUESTS, "n").get("status") or {}).get("certificate"))
    approved = meta.condition(plane.find(REQUESTS, "n"), "Approved") or {}
    assert approved["reason"] == "AutoApproved"


async def test_a_token_secret_is_filled_and_goes_with_its_account(plane: Plane) -> None:
    await plane.client.create(
        resource("serviceaccounts"),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "default"}},
    )
    annotations = {"kubernetes.io/service-account.name": "robot"}
    m = {"name": "robot-token", "namespace": "default", "annotations": annotations}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": m, "type": "kubernetes.io/service-account-token"}
    await plane.client.create(resource("secrets"), secret)
    data = await plane.until(lambda: plane.find("secrets", "robot-token").get("data"))
    assert set(data) == {"ca.crt", "namespace", "token"}
    token, context = base64.b64decode(data["token"]).decode(), client_tls(plane.api.pki, None)
    assert await whoami(plane.api, context, token) == (201, "system:serviceaccount:default:robot")
    invalid = {"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": "2026-01-01"}}}
    await plane.client.patch(resource("secrets"), "robot-token", invalid, "default")
    assert (await whoami(plane.api, context, token))[0] == 401
    await plane.client.delete(resource("serviceaccounts"), "robot", "default")
    await plane.until(lambda: not plane.find("secrets", "robot-token"))
    assert (await whoami(plane.api, context, token))[0] == 401


async def test_evictions_end_where_the_budget_does(plane: Plane) -> None:
    await node(plane, "node-1")
    await plane.client.create(resource("replicationcontrollers"), rc(3))
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "kubia"}}}
    budgets, m = "poddisruptionbudgets.policy", {"name": "kubia", "namespace": "default"}
    typed = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
    await plane.client.create(resource(budgets), {**typed, "metadata": m, "spec": spec})
    await plane.until(lambda: sum(bool(p["spec"].get("nodeName")) for p in plane.all("pods")) == 3)
    for pod in plane.all("pods"):
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        where = (meta.name(pod), {"status": ready}, "default")
        await plane.client.patch(resource("pods"), *where, subresource="status", type="strategic")
    status = await plane.until(
        lambda: (
            plane.find(budgets, "kubia").get("status", {}).get("disruptionsAllowed")
            and plane.find(budgets, "kubia")["status"]
        )
    )
    assert (status["expectedPods"], status["desiredHealthy"], status["currentHealthy"]) == (3, 2, 3)
    assert status["observedGeneration"] == 1 and status["conditions"][0]["reason"] == "SufficientPods"

    async def evict(name: str) -> None:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
        await plane.client.create(resource("pods"), eviction, "default", name=name, subresource="eviction")

    first, second = (meta.name(p) for p in plane.all("pods")[:2])
    await evict(first)
    with pytest.raises(errors.TooManyRequests) as refused:
        await evict(second)
    assert "needs 2 healthy pods" in refused.value.details["causes"][0]["message"]
    target = await plane.until(lambda: meta.condition(plane.find("pods", first), "DisruptionTarget"))
    assert target["reason"] == "EvictionByEvictionAPI"


async def test_a_claim_stays_while_a_pod_uses_it(plane: Plane) -> None:
    await node(plane, "node-1")
    finalizers = ["kubernetes.io/pvc-protection"]
    m = {"name": "data", "namespace": "default", "finalizers": finalizers}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": m, "spec": spec}
    await plane.client.create(resource("persistentvolumeclaims"), claim)
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    containers = [{"name": "c", "image": "kubia"}]
    pod = {"nodeName": "node-1", "containers": containers, "volumes": volumes}
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": pod}
    await plane.client.create(resource("pods"), made)
    await plane.client.delete(resource("persistentvolumeclaims"), "data", "default")
    await plane.until(lambda: meta.deleting(plane.find("persistentvolumeclaims", "data")))
    await plane.client.delete(resource("pods"), "p", "default", grace_seconds=0)
    await plane.until(lambda: not plane.find("persistentvolumeclaims", "data"))
