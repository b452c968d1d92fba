"""Who may: certificates, ServiceAccount tokens, RBAC, impersonation and reviews, as a client meets them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kubette.apiserver.registry import TokenClaims
from kubette.apiserver.tokens import BadToken, Tokens
from kubette.testing.apiserver import Api, client_tls, serving

NS = "/api/v1/namespaces/default"
GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1/namespaces/default"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


async def test_without_credentials_only_health_and_version_answer(api: Api) -> None:
    connector = aiohttp.TCPConnector(ssl=client_tls(api.pki, None))
    async with aiohttp.ClientSession(connector=connector) as session:
        stranger = Api(api.port, session, api.pki)
        status, error = await stranger.call("GET", f"{NS}/pods")
        assert (status, error["reason"], error["kind"]) == (403, "Forbidden", "Status")
        assert error["message"] == (
            'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" '
            'in the namespace "default"'
        )
        status, error = await stranger.call("GET", "/api", impersonate_user="admin")
        assert status == 403 and 'User "system:anonymous" cannot impersonate' in error["message"]
        status, error = await stranger.call("GET", f"{NS}/pods", authorization="Bearer nonsense")
        assert (status, error["reason"], error["message"]) == (401, "Unauthorized", "Unauthorized")
        assert (await stranger.call("GET", "/healthz", authorization="Bearer nonsense"))[0] == 401
        assert (await stranger.call("GET", "/healthz"))[0] == 200
        assert (await stranger.call("GET", "/version"))[0] == 200


async def test_roles_are_granted_and_taken_away(api: Api) -> None:
    as_bob = {"impersonate_user": "bob"}
    status, error = await api.call("GET", f"{NS}/configmaps", **as_bob)
    assert status == 403 and error["message"] == (
        'configmaps is forbidden: User "bob" cannot list resource "configmaps" in API group "" '
        'in the namespace "default"'
    )
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["only"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]},
    ]}  # fmt: skip
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bob"}],
    }  # fmt: skip
    await api.ok("POST", f"{RBAC}/roles", role)
    await api.ok("POST", f"{RBAC}/rolebindings", binding)
    assert (await api.call("GET", f"{NS}/configmaps", **as_bob))[0] == 200
    assert (await api.call("GET", f"{NS}/configmaps/only", **as_bob))[0] == 404
    assert (await api.call("GET", f"{NS}/configmaps/other", **as_bob))[0] == 403
    assert (await api.call("GET", "/api/v1/namespaces/kube-system/configmaps", **as_bob))[0] == 403
    review = {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": "bob",
            "resourceAttributes": {"verb": "list", "resource": "configmaps", "namespace": "default"},
        },
    }  # fmt: skip
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert (await api.ok("POST", path, review))["status"] == {"allowed": True}
    await api.ok("DELETE", f"{RBAC}/rolebindings/b")
    assert (await api.ok("POST", path, review))["status"] == {"allowed": False}
    assert (await api.call("GET", f"{NS}/configmaps", **as_bob))[0] == 403


async def test_nobody_gives_away_what_they_do_not_hold(api: Api) -> None:
    """Who may write roles and bindings would otherwise be an administrator in two requests."""
    own = {"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get"], "resourceNames": ["own"]}
    rules = [{"apiGroups": [GROUP], "resources": ["*"], "verbs": ["create", "update"]}, own]
    await api.ok("POST", f"/apis/{GROUP}/v1/clusterroles", {"metadata": {"name": "granter"}, "rules": rules})
    await api.ok("POST", f"/apis/{GROUP}/v1/clusterrolebindings", {
        "metadata": {"name": "granter"}, "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "granter"},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": "joe"}],
    })  # fmt: skip
    as_joe = {"Impersonate_User": "joe"}

    def role(name: str, **rule: Any) -> dict[str, Any]:
        return {"metadata": {"name": name}, "rules": [{"apiGroups": [""], "verbs": ["get"], **rule}]}

    def binding(kind: str, name: str) -> dict[str, Any]:
        return {"metadata": {"name": "b"}, "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name},
                "subjects": [{"apiGroup": GROUP, "kind": "User", "name": "joe"}]}  # fmt: skip

    status, error = await api.call("POST", f"{RBAC}/roles", role("r", resources=["secrets"]), **as_joe)
    assert status == 403 and error["message"] == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "joe" (groups=["system:authenticated"]) is attempting '
        'to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    )
    await api.ok("POST", f"{RBAC}/roles", role("r", resources=["secrets"], resourceNames=["own"]), **as_joe)
    status, error = await api.call("PUT", f"{RBAC}/roles/r", role("r", resources=["pods"], verbs=["delete"]), **as_joe)
    assert status == 403 and 'Resources:["pods"], Verbs:["delete"]' in error["message"]
    assert (await api.call("POST", f"{RBAC}/rolebindings", binding("ClusterRole", "admin"), **as_joe))[0] == 403
    assert (await api.call("POST", f"{RBAC}/rolebindings", binding("Role", "none"), **as_joe))[0] == 404
    await api.ok("POST", f"{RBAC}/rolebindings", binding("Role", "r"), **as_joe)


async def test_a_node_writes_itself_and_its_pods(api: Api) -> None:
    """With another's key it could otherwise be any ServiceAccount whose pod runs anywhere."""
    node = {"Impersonate_User": "system:node:one", "Impersonate_Group": "system:nodes"}
    merge = {"content_type": "application/merge-patch+json", **node}
    account = {"metadata": {"name": "default"}}
    await api.ok("POST", f"{NS}/serviceaccounts", account)
    await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "one"}}, **node)
    await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "two"}})
    pods = {}
    for where in ("one", "two"):
        token_for_a = {"projected": {"sources": [{"serviceAccountToken": {"audience": "a", "path": "t"}}]}}
        spec = {"nodeName": where, "containers": [{"name": "c", "image": "i:1"}],
                "volumes": [{"name": "v", **token_for_a}]}  # fmt: skip
        pods[where] = await api.ok("POST", f"{NS}/pods", {"metadata": {"name": f"on-{where}"}, "spec": spec})

    def token(where: str) -> dict[str, Any]:
        meta = pods[where]["metadata"]
        bound = {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
        return {"spec": {"audiences": ["a"], "boundObjectRef": bound}}

    async def refused(words: str, method: str, path: str, body: Any = None, **headers: str) -> None:
        status, error = await api.call(method, path, body, **(headers or node))
        assert status == 403 and words in error["message"], error

    running, leases = {"status": {"phase": "Running"}}, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    await api.ok("PATCH", "/api/v1/nodes/one", {"metadata": {"labels": {"a": "b"}}}, **merge)
    await api.ok("PATCH", f"{NS}/pods/on-one/status", running, **merge)
    await api.ok("POST", leases, {"metadata": {"name": "one"}}, **node)
    await api.ok("POST", f"{NS}/serviceaccounts/default/token", token("one"), **node)
    await refused('node "one" is not allowed to modify node "two"', "PATCH", "/api/v1/nodes/two/status", {}, **merge)
    await refused("not allowed to modify taints", "PATCH", "/api/v1/nodes/one",
                  {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}, **merge)  # fmt: skip
    await refused("with spec.nodeName set to itself", "PATCH", f"{NS}/pods/on-two/status", running, **merge)
    await refused("can only delete pods", "DELETE", f"{NS}/pods/on-two")
    await refused("can only evict pods", "POST", f"{NS}/pods/on-two/eviction", {"metadata": {"name": "on-two"}})
    await refused("can only create mirror pods", "POST", f"{NS}/pods", {"metadata": {"name": "p"}})
    await refused("node lease with the same name", "POST", leases, {"metadata": {"name": "two"}})
    await refused("scheduled on a different node", "POST", f"{NS}/serviceaccounts/default/token", token("two"))
    await refused("not bound to a pod", "POST", f"{NS}/serviceaccounts/default/token", {"spec": {"audiences": ["a"]}})
    await api.ok("DELETE", f"{NS}/pods/on-one?gracePeriodSeconds=0", **node)


async def test_groups_are_not_taken_without_a_user(api: Api) -> None:
    status, error = await api.call("GET", f"{NS}/configmaps", Impersonate_Group="system:nodes")
    assert status == 400 and "without impersonating a user" in error["message"]


async def test_components_have_what_they_need_and_no_more(api: Api) -> None:
    async def may(user: str, groups: list[str], verb: str, resource: str, group: str = "", **more: Any) -> bool:
        spec = {"user": user, "groups": groups,
                "resourceAttributes": {"verb": verb, "resource": resource, "group": group, **more}}  # fmt: skip
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = await api.ok("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    node = ("system:node:node-1", ["system:nodes"])
    own = {"fieldSelector": {"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["node-1"]}]}}
    assert await may(*node, "watch", "pods", **own) and not await may(*node, "watch", "pods")
    assert not await may(*node, "create", "deployments", "apps")
    assert await may("system:kube-proxy", [], "watch", "endpointslices", "discovery.k8s.io")
    assert not await may("system:kube-proxy", [], "get", "secrets")
    assert await may("system:kube-controller-manager", [], "delete", "pods")
    assert not await may("system:kube-controller-manager", [], "create", "clusterrolebindings",
                         "rbac.authorization.k8s.io")  # fmt: skip
    assert not await may("system:kube-controller-manager", [], "impersonate", "users")
    assert not await may("system:kube-scheduler", [], "create", "pods")


async def test_a_token_lives_as_long_as_its_account(api: Api, tmp_path: Path) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"}}
    uid = (await api.ok("POST", f"{NS}/serviceaccounts", account))["metadata"]["uid"]
    issuer = "https://kubernetes.default.svc.cluster.local"
    signer = Tokens(api.pki.sa_signing_key, issuer, lambda *key: {"metadata": {"uid": uid}})
    token, _ = signer.sign(TokenClaims("default", "app", uid, (issuer,), 3600))
    foreign, _ = signer.sign(TokenClaims("default", "app", uid, ("vault",), 3600))
    connector = aiohttp.TCPConnector(ssl=client_tls(api.pki, None))
    review: dict[str, Any] = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with aiohttp.ClientSession(connector=connector) as session:
        pod = Api(api.port, session, api.pki)
        who = (await pod.ok("POST", path, review, authorization=f"Bearer {token}"))["status"]["userInfo"]
        assert who["username"] == "system:serviceaccount:default:app" and who["uid"] == uid
        assert "system:serviceaccounts:default" in who["groups"]
        assert (await pod.call("POST", path, review, authorization=f"Bearer {foreign}"))[0] == 401
        await api.ok("DELETE", f"{NS}/serviceaccounts/app")
        assert (await pod.call("POST", path, review, authorization=f"Bearer {token}"))[0] == 401


def test_tokens_of_another_key_prove_nothing(tmp_path: Path) -> None:
    from kubette.apiserver.pki import ensure_pki

    ours = Tokens(ensure_pki(tmp_path / "a", []).sa_signing_key, "i", lambda *key: {"metadata": {"uid": "u"}})
    theirs = Tokens(ensure_pki(tmp_path / "b", []).sa_signing_key, "i", lambda *key: {"metadata": {"uid": "u"}})
    token, _ = theirs.sign(TokenClaims("n", "s", "u", ("i",), 60))
    with pytest.raises(BadToken):
        ours.verify(token)
    expired, _ = ours.sign(TokenClaims("n", "s", "u", ("i",), -60))
    with pytest.raises(BadToken):
        ours.verify(expired)
