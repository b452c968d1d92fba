"""Attacks on what a user, a role and a node may do, against a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kubette.testing.apiserver import Api, serving

V1, NS = "/api/v1", "/api/v1/namespaces/default"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
Object = dict[str, Any]
MERGE = {"content_type": "application/merge-patch+json"}


EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


def rule(verbs: str, resources: str, group: str = "", names: Sequence[str] = ()) -> Object:
    out: Object = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return {**out, "resourceNames": list(names)} if names else out


async def grant(api: Api, user: str, *rules: Object, namespace: str = "") -> dict[str, str]:
    """Give ``user`` the rules, cluster-wide or in a namespace; the headers with which to be that user."""
    where, kind = (f"/namespaces/{namespace}", "Role") if namespace else ("", "ClusterRole")
    await api.ok("POST", f"{RBAC}{where}/{kind.lower()}s", {"metadata": {"name": user}, "rules": list(rules)})
    await api.ok("POST", f"{RBAC}{where}/{kind.lower()}bindings", {
        "metadata": {"name": user}, "roleRef": {"apiGroup": GROUP, "kind": kind, "name": user},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user}],
    })  # fmt: skip
    return {"Impersonate_User": user}


async def code(api: Api, method: str, path: str, body: Any = None, **headers: str) -> int:
    return (await api.call(method, path, body, **headers))[0]


# ---- paths


async def test_an_admin_of_a_namespace_reaches_nothing_of_the_cluster(api: Api) -> None:
    """Kinds of the cluster have no route below a namespace, where the admin may do anything."""
    admin = await grant(api, "admin-of-one", EVERYTHING, namespace="default")
    await api.ok("POST", f"{V1}/namespaces", {"metadata": {"name": "victim"}})
    volume = {"metadata": {"name": "root"}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                                                     "hostPath": {"path": "/"}}}  # fmt: skip
    for who in (admin, {}):
        assert await code(api, "DELETE", f"{NS}/namespaces/victim", **who) == 404
        assert await code(api, "POST", f"{NS}/persistentvolumes", volume, **who) == 404
        assert await code(api, "GET", f"{NS}/nodes", **who) == 404
        assert await code(api, "GET", f"{RBAC}/namespaces/default/clusterroles/cluster-admin", **who) == 404
        assert await code(api, "PATCH", f"{NS}/nodes/n/status", {}, **MERGE, **who) == 404
    assert await code(api, "GET", f"{V1}/persistentvolumes/root") == 404
    assert await code(api, "GET", f"{V1}/namespaces/victim") == 200
    assert await code(api, "DELETE", f"{V1}/namespaces/victim", **admin) == 403
    assert await code(api, "GET", f"{V1}/namespaces/victim//configmaps", **admin) == 404


async def test_permission_is_asked_before_a_route_is_looked_for(api: Api) -> None:
    nobody = {"Impersonate_User": "nobody"}
    for path in (f"{NS}/persistentvolumes", f"{V1}/pods/p", f"{NS}/widgets", f"{NS}/pods/p/nosuch"):
        assert await code(api, "GET", path, **nobody) == 403
        assert await code(api, "GET", path) == 404
    assert await code(api, "POST", f"{V1}/pods", {}) == 405
    assert await code(api, "DELETE", f"{V1}/pods") == 405
    assert await code(api, "POST", f"{V1}/watch/namespaces/default/pods") == 405


# ---- verbs


async def test_a_name_in_the_field_selector_is_the_name_that_is_asked_for(api: Api) -> None:
    some = await grant(
        api, "someone", rule("get list watch deletecollection", "configmaps", names=["only"]), namespace="default"
    )
    for name in ("only", "other"):
        await api.ok("POST", f"{NS}/configmaps", {"metadata": {"name": name}})
    only, other = "fieldSelector=metadata.name%3Donly", "fieldSelector=metadata.name%3Dother"
    answer = await api.ok("GET", f"{NS}/configmaps?{only}", **some)
    assert [item["metadata"]["name"] for item in answer["items"]] == ["only"]
    assert await code(api, "GET", f"{NS}/configmaps?{only}&watch=1&timeoutSeconds=1", **some) == 200
    for query in (other, "", "fieldSelector=metadata.name!%3Donly", "labelSelector=metadata.name%3Donly"):
        assert await code(api, "GET", f"{NS}/configmaps?{query}", **some) == 403
        assert await code(api, "GET", f"{NS}/configmaps?watch=1&{query}", **some) == 403
        assert await code(api, "DELETE", f"{NS}/configmaps?{query}", **some) == 403
    # Both names: what is listed is what was authorized, which is nothing.
    both = f"{only},metadata.name%3Dother"
    assert (await api.ok("GET", f"{NS}/configmaps?{both}", **some))["items"] == []
    await api.ok("DELETE", f"{NS}/configmaps?{only}", **some)
    assert await code(api, "GET", f"{NS}/configmaps/only") == 404
    assert await code(api, "GET", f"{NS}/configmaps/other") == 200


async def test_a_put_that_creates_needs_create(api: Api) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}}
    updater = await grant(api, "updater", rule("get update", "leases", "coordination.k8s.io"))
    status, error = await api.call("PUT", path, body, **updater)
    assert status == 403 and 'cannot create resource "leases"' in error["message"]
    assert await code(api, "GET", path) == 404
    creator = await grant(api, "creator", rule("create update", "leases", "coordination.k8s.io"))
    made = await api.ok("PUT", path, body, **creator)
    assert await code(api, "PUT", path, made, **updater) == 200


@pytest.mark.parametrize("sub", ["exec", "attach", "portforward"])
async def test_a_session_needs_create_in_every_form(api: Api, sub: str) -> None:
    reader = await grant(api, "reader", rule("get", f"pods/{sub}"))
    creator = await grant(api, "creator", rule("create", f"pods/{sub}"))
    both = await grant(api, "both", rule("get create", f"pods/{sub}"))
    path = f"{NS}/pods/p/{sub}?command=id&stdout=true"
    for method, codes in (("GET", (403, 403, 404)), ("POST", (403, 404, 404))):
        assert tuple([await code(api, method, path, **who) for who in (reader, creator, both)]) == codes
    error = (await api.call("GET", path, **reader))[1]
    assert f'cannot create resource "pods/{sub}"' in error["message"]


# ---- impersonation


async def who_am_i(api: Api, **headers: str) -> Object:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await api.ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, **headers)
    info: Object = answer["status"]["userInfo"]
    return info


async def test_an_administrator_is_whom_the_headers_say(api: Api) -> None:
    info = await who_am_i(api, Impersonate_User="u", Impersonate_Group="g", Impersonate_Uid="7",
                          **{"Impersonate-Extra-Acme.com%2Fscope": "x"})  # fmt: skip
    assert info == {
        "username": "u", "uid": "7", "groups": ["g", "system:authenticated"], "extra": {"acme.com/scope": ["x"]},
    }  # fmt: skip
    account = await who_am_i(api, Impersonate_User="system:serviceaccount:n:a")
    assert account["groups"] == ["system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated"]
    assert (await who_am_i(api, Impersonate_User="system:node:m"))["groups"] == ["system:nodes", "system:authenticated"]
    assert await code(api, "GET", "/version", Impersonate_User="system:anonymous") == 200
    assert await code(api, "GET", "/apis", Impersonate_User="system:anonymous") == 403
    for header in ("Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-Scope"):
        assert await code(api, "GET", f"{NS}/pods", **{header: "x"}) == 400


@pytest.mark.parametrize(
    "rules",
    [
        # the older form: one right for each part
        {
            "user": rule("impersonate", "users", names=["u"]), "group": rule("impersonate", "groups", names=["g"]),
            "uid": rule("impersonate", "uids", "authentication.k8s.io", ["7"]),
            "extra": rule("impersonate", "userextras/scope", "authentication.k8s.io", ["x"]),
        },
        # constrained: the same, and what may be done as that user
        {
            "user": rule("impersonate:user-info", "users", "authentication.k8s.io", ["u"]),
            "group": rule("impersonate:user-info", "groups", "authentication.k8s.io", ["g"]),
            "uid": rule("impersonate:user-info", "uids", "authentication.k8s.io", ["7"]),
            "extra": rule("impersonate:user-info", "userextras/acme.com/scope", "authentication.k8s.io", ["x"]),
            "on": rule("impersonate-on:user-info:list", "configmaps"),
        },
    ],
)  # fmt: skip
async def test_every_part_of_an_identity_takes_a_right(api: Api, rules: dict[str, Object]) -> None:
    """The requests come as `op`, by a token, so that no header is judged as the administrator's."""
    await api.ok("POST", f"{NS}/serviceaccounts", {"metadata": {"name": "op"}})
    answer = await api.ok("POST", f"{NS}/serviceaccounts/op/token", {"spec": {}})
    op = Api(api.port, api.session, api.pki)
    await grant(api, "u", rule("list", "configmaps"))
    extra = "acme.com%2Fscope" if "on" in rules else "scope"
    headers = {"Impersonate-User": "u", "Impersonate-Group": "g", "Impersonate-Uid": "7"}
    headers[f"Impersonate-Extra-{extra}"] = "x"

    async def attempt(held: list[Object]) -> int:
        name = f"r{len(held)}-{attempt.count}"  # type: ignore[attr-defined]
        attempt.count += 1  # type: ignore[attr-defined]
        await api.ok("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": held})
        await api.ok("POST", f"{RBAC}/clusterrolebindings", {
            "metadata": {"name": name}, "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "op"}],
        })  # fmt: skip
        status = await bearer(op, answer["status"]["token"], f"{NS}/configmaps", headers)
        await api.ok("DELETE", f"{RBAC}/clusterrolebindings/{name}")
        return status

    attempt.count = 0  # type: ignore[attr-defined]
    assert await attempt(list(rules.values())) == 200
    for part in rules:
        assert await attempt([r for name, r in rules.items() if name != part]) == 403, part


async def bearer(api: Api, token: str, path: str, headers: dict[str, str]) -> int:
    """A GET with a token and without the administrator's certificate."""
    import aiohttp

    from kubette.testing.apiserver import client_tls

    connector = aiohttp.TCPConnector(ssl=client_tls(api.pki, None))
    async with aiohttp.ClientSession(connector=connector) as session:
        return await code(Api(api.port, session, api.pki), "GET", path, authorization=f"Bearer {token}", **headers)


# ---- escalation


async def test_labels_do_not_escalate_a_role(api: Api) -> None:
    """A label aggregates a ClusterRole into others, so it is judged as the rules are."""
    await api.ok("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "secrets"}, "rules": [rule("*", "secrets")]})
    writer = await grant(api, "writer", rule("create update patch", "clusterroles", GROUP))
    label = {"metadata": {"labels": {f"{GROUP}/aggregate-to-view": "true"}}}
    status, error = await api.call("PATCH", f"{RBAC}/clusterroles/secrets", label, **MERGE, **writer)
    assert status == 403 and "permissions not currently held" in error["message"]
    annotation = {"metadata": {"annotations": {"a": "b"}}}
    assert await code(api, "PATCH", f"{RBAC}/clusterroles/secrets", annotation, **MERGE, **writer) == 403
    # What the garbage collector writes gives nothing away.
    finalizer = {"metadata": {"finalizers": ["example.com/f"]}}
    assert await code(api, "PATCH", f"{RBAC}/clusterroles/secrets", finalizer, **MERGE, **writer) == 200


async def test_an_aggregation_rule_takes_everything(api: Api) -> None:
    selectors = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    some = await grant(api, "some", rule("create update patch", "clusterroles", GROUP))
    resources = await grant(api, "resources", EVERYTHING)  # `escalate` among them
    few = await grant(api, "few", {**EVERYTHING, "verbs": ["get", "create", "update", "patch"]})
    role = {"metadata": {"name": "sum"}, "aggregationRule": selectors}
    for who in (some, few):
        status, error = await api.call("POST", f"{RBAC}/clusterroles", role, **who)
        assert status == 403 and "must have cluster-admin privileges" in error["message"]
    assert await code(api, "POST", f"{RBAC}/clusterroles", role, **resources) == 201
    # Neither may it be changed, nor taken away.
    for body in ({"metadata": {"labels": {"x": "y"}}}, {"aggregationRule": None}):
        assert await code(api, "PATCH", f"{RBAC}/clusterroles/sum", body, **MERGE, **few) == 403


async def test_a_binding_takes_what_its_role_gives(api: Api) -> None:
    await api.ok("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "r"}, "rules": [rule("get", "secrets")]})
    binders = {
        "plain": [], "holder": [rule("get", "secrets")], "named": [rule("bind", "clusterroles", GROUP, ["r"])],
        "other": [rule("bind", "clusterroles", GROUP, ["s"])], "roles": [rule("bind", "roles", GROUP)],
    }  # fmt: skip
    found = {}
    for user, rules in binders.items():
        who = await grant(api, user, rule("create", "rolebindings", GROUP), *rules)
        body = {"metadata": {"name": f"b-{user}"}, "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "r"},
                "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user}]}  # fmt: skip
        found[user] = await code(api, "POST", f"{RBAC}/namespaces/default/rolebindings", body, **who)
    assert found == {"plain": 403, "holder": 201, "named": 201, "other": 403, "roles": 403}
    # A label on it is a change too.
    patcher = await grant(api, "patcher", rule("patch", "rolebindings", GROUP))
    path, label = f"{RBAC}/namespaces/default/rolebindings/b-holder", {"metadata": {"labels": {"a": "b"}}}
    assert await code(api, "PATCH", path, label, **MERGE, **patcher) == 403


async def test_the_default_roles(api: Api) -> None:
    """`edit` redirects no traffic, and roles of an older version lose what they had too much."""
    editor = {"Impersonate_User": "editor"}
    await api.ok("POST", f"{RBAC}/namespaces/default/rolebindings", {
        "metadata": {"name": "e"}, "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": "editor"}],
    })  # fmt: skip
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    assert await code(api, "POST", f"{NS}/endpoints", {"metadata": {"name": "e"}}, **editor) == 403
    assert await code(api, "POST", slices, {"metadata": {"name": "e"}, "addressType": "IPv4"}, **editor) == 403
    assert await code(api, "GET", slices, **editor) == 200
    assert await code(api, "POST", f"{NS}/services", {
        "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]},
    }, **editor) == 201  # fmt: skip


async def test_roles_of_an_older_version_are_brought_up_to_date(tmp_path: Path) -> None:
    node, view = f"{RBAC}/clusterrolebindings/system:node", f"{RBAC}/clusterroles/system:discovery"
    mine = {"apiGroup": GROUP, "kind": "User", "name": "mine"}
    async with serving(tmp_path) as api:
        everybody = {"subjects": [{"apiGroup": GROUP, "kind": "Group", "name": "system:nodes"}]}
        await api.ok("PATCH", node, everybody, **MERGE)
        await api.ok("PATCH", view, {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/old"]}]}, **MERGE)
        await api.ok("PATCH", f"{RBAC}/clusterrolebindings/system:discovery", {"subjects": [mine]}, **MERGE)
        kept = {"metadata": {"annotations": {f"{GROUP}/autoupdate": "false"}}, "rules": []}
        await api.ok("PATCH", f"{RBAC}/clusterroles/system:basic-user", kept, **MERGE)
    async with serving(tmp_path) as api:
        assert not (await api.ok("GET", node)).get("subjects")
        assert "/apis" in (await api.ok("GET", view))["rules"][0]["nonResourceURLs"]
        subjects = (await api.ok("GET", f"{RBAC}/clusterrolebindings/system:discovery"))["subjects"]
        assert mine in subjects and len(subjects) == 2
        assert (await api.ok("GET", f"{RBAC}/clusterroles/system:basic-user"))["rules"] == []


# ---- nodes

ONE = {"Impersonate_User": "system:node:one", "Impersonate_Group": "system:nodes"}


async def bind_pods(api: Api) -> dict[str, Object]:
    """Nodes `one` and `two` with a pod each, which needs the objects with its node's name."""
    await api.ok("POST", f"{NS}/serviceaccounts", {"metadata": {"name": "default"}})
    pods = {}
    for node in ("one", "two"):
        await api.ok("POST", f"{V1}/nodes", {"metadata": {"name": node}})
        await api.ok("POST", f"{NS}/serviceaccounts", {"metadata": {"name": node}})
        for kind in ("secrets", "configmaps"):
            for use in ("env", "volume", "pull"):
                await api.ok("POST", f"{NS}/{kind}", {"metadata": {"name": f"{use}-{node}"}})
        await api.ok("POST", f"{NS}/persistentvolumeclaims", {
            "metadata": {"name": node}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": node,
                "storageClassName": "",
            },
        })  # fmt: skip
        await api.ok("POST", f"{V1}/persistentvolumes", {"metadata": {"name": node}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "claimRef": {"namespace": "default", "name": node},
            "csi": {"driver": "d", "volumeHandle": "h",
                    "nodeStageSecretRef": {"namespace": "default", "name": f"pull-{node}"}},
        }})  # fmt: skip
        env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": f"env-{node}", "key": "k"}}}]
        pods[node] = await api.ok("POST", f"{NS}/pods", {"metadata": {"name": f"on-{node}"}, "spec": {
            "nodeName": node, "serviceAccountName": node,
            "containers": [{"name": "c", "image": "i:1", "env": env,
                            "envFrom": [{"configMapRef": {"name": f"env-{node}"}}]}],
            "volumes": [
                {"name": "s", "secret": {"secretName": f"volume-{node}"}},
                {"name": "c", "projected": {"sources": [{"configMap": {"name": f"volume-{node}"}}]}},
                {"name": "p", "persistentVolumeClaim": {"claimName": node}},
            ],
        }})  # fmt: skip
    return pods


async def test_a_node_reads_what_its_pods_need_and_nothing_else(api: Api) -> None:
    await bind_pods(api)
    allowed = {
        "own": [f"{V1}/nodes/{{}}", f"{V1}/nodes?fieldSelector=metadata.name%3D{{}}", f"{NS}/pods/on-{{}}",
                f"{V1}/pods?fieldSelector=spec.nodeName%3D{{}}", f"{NS}/secrets/env-{{}}", f"{NS}/secrets/volume-{{}}",
                f"{NS}/secrets/pull-{{}}", f"{NS}/secrets?fieldSelector=metadata.name%3Denv-{{}}",
                f"{NS}/configmaps/env-{{}}", f"{NS}/configmaps/volume-{{}}", f"{NS}/serviceaccounts/{{}}",
                f"{NS}/persistentvolumeclaims/{{}}", f"{V1}/persistentvolumes/{{}}"],
    }  # fmt: skip
    for path in allowed["own"]:
        assert await code(api, "GET", path.format("one"), **ONE) == 200, path
        assert await code(api, "GET", path.format("two"), **ONE) == 403, path
    for path in ("/secrets", f"{NS[7:]}/secrets", "/configmaps", "/pods", "/nodes", "/serviceaccounts",
                 "/persistentvolumes", "/secrets?fieldSelector=metadata.name%3Denv-one"):  # fmt: skip
        assert await code(api, "GET", V1 + path, **ONE) == 403, path
        assert await code(api, "GET", f"{V1}{path}{'&' if '?' in path else '?'}watch=1", **ONE) == 403, path
    assert await code(api, "GET", f"{V1}/services", **ONE) == 200
    # A relation ends with the pod, and begins with one.
    await api.ok("DELETE", f"{NS}/pods/on-one?gracePeriodSeconds=0")
    assert await code(api, "GET", f"{NS}/secrets/env-one", **ONE) == 403
    assert await code(api, "GET", f"{V1}/persistentvolumes/one", **ONE) == 403
    assert await code(api, "GET", f"{NS}/secrets/pull-one", **ONE) == 403
    await api.ok("POST", f"{NS}/pods", {"metadata": {"name": "late"}, "spec": {
        "containers": [{"name": "c", "image": "i:1"}], "imagePullSecrets": [{"name": "pull-two"}],
    }})  # fmt: skip
    assert await code(api, "GET", f"{NS}/secrets/pull-two", **ONE) == 403
    target = {"metadata": {"name": "late"}, "target": {"kind": "Node", "name": "one"}}
    await api.ok("POST", f"{NS}/pods/late/binding", target)
    assert await code(api, "GET", f"{NS}/secrets/pull-two", **ONE) == 200


async def test_a_mirror_pod_opens_nothing(api: Api) -> None:
    uid = (await api.ok("POST", f"{V1}/nodes", {"metadata": {"name": "one"}}))["metadata"]["uid"]
    await api.ok("POST", f"{NS}/secrets", {"metadata": {"name": "s"}})
    owner = {"apiVersion": "v1", "kind": "Node", "name": "one", "uid": uid, "controller": True}

    def mirror(name: str, owners: Any = (owner,), **spec: Any) -> Object:
        meta = {"name": name, "annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": list(owners)}
        return {"metadata": meta, "spec": {"nodeName": "one", "containers": [{"name": "c", "image": "i:1"}], **spec}}

    env = {"name": "c", "image": "i:1", "envFrom": [{"secretRef": {"name": "s"}}]}
    token = {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
    for pod, words in (
        (mirror("a", serviceAccountName="default"), "service accounts"),
        (mirror("a", containers=[env]), "secrets"),
        (mirror("a", imagePullSecrets=[{"name": "s"}]), "secrets"),
        (mirror("a", volumes=[{"name": "v", "secret": {"secretName": "s"}}]), "secrets"),
        (mirror("a", volumes=[{"name": "v", "configMap": {"name": "s"}}]), "configmaps"),
        (mirror("a", volumes=[{"name": "v", **token}]), "ServiceAccountToken volume projections"),
        (mirror("a", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]), "persistentvolumeclaims"),
        (mirror("a", volumes=[{"name": "v", "csi": {"driver": "d"}}]), "csidrivers"),
        (mirror("a", owners=()), "with an owner reference set to itself"),
        (mirror("a", owners=({**owner, "uid": "other"},)), "UID mismatch"),
        (mirror("a", owners=({**owner, "controller": False},)), "controller owner reference"),
        (mirror("a", nodeName="two"), "spec.nodeName set to itself"),
    ):
        status, error = await api.call("POST", f"{NS}/pods", pod, **ONE)
        assert status == 403 and words in error["message"], (words, error)
    assert await code(api, "POST", f"{NS}/pods", mirror("a"), **ONE) == 201
    # Nor does one that somebody else has made with a Secret.
    assert await code(api, "POST", f"{NS}/pods", mirror("b", containers=[env])) == 403
    assert await code(api, "GET", f"{NS}/secrets/s", **ONE) == 403
    assert await code(api, "DELETE", f"{NS}/pods/a?gracePeriodSeconds=0", **ONE) == 200


async def test_a_node_steers_no_workload_to_itself(api: Api) -> None:
    good = {"kubernetes.io/hostname": "one", "topology.kubernetes.io/zone": "z", "node.kubernetes.io/x": "1",
            "a.kubelet.kubernetes.io/x": "1", "example.com/mine": "1", "plain": "1"}  # fmt: skip
    bad = ("node-restriction.kubernetes.io/fips", "x.node-restriction.kubernetes.io/a", "kubernetes.io/other",
           "node-role.kubernetes.io/control-plane", "foo.k8s.io/a")  # fmt: skip
    for label in bad:
        body = {"metadata": {"name": "one", "labels": {label: "1"}}}
        assert await code(api, "POST", f"{V1}/nodes", body, **ONE) == 403, label
    await api.ok("POST", f"{V1}/nodes", {"metadata": {"name": "one", "labels": good}}, **ONE)
    await api.ok("PATCH", f"{V1}/nodes/one", {"metadata": {"labels": {bad[0]: "1"}}}, **MERGE)
    for patch in (
        {"metadata": {"labels": {bad[1]: "1"}}}, {"metadata": {"labels": {bad[0]: None}}},
        {"metadata": {"labels": {bad[0]: "2"}}}, {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]}},
    ):  # fmt: skip
        for sub in ("", "/status"):
            status = await code(api, "PATCH", f"{V1}/nodes/one{sub}", patch, **MERGE, **ONE)
            node = await api.ok("GET", f"{V1}/nodes/one")
            assert status == 403 or ((sub and "taints" in str(patch)) or "owner" in str(patch)), (patch, sub)
            assert node["metadata"]["labels"] == {**good, bad[0]: "1"} and "ownerReferences" not in node["metadata"]
    assert await code(api, "PATCH", f"{V1}/nodes/one", {"metadata": {"labels": {"plain": "2"}}}, **MERGE, **ONE) == 200
    assert await code(api, "DELETE", f"{V1}/nodes/one", **ONE) == 403


async def test_a_node_acts_for_its_own_pods(api: Api) -> None:
    pods = await bind_pods(api)

    def token(node: str, audience: str = "", **bound: Any) -> Object:
        meta = pods[node]["metadata"]
        ref = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"], **bound}
        return {"spec": {"boundObjectRef": ref, "audiences": [audience] if audience else []}}

    tokens = f"{NS}/serviceaccounts/{{}}/token"
    assert await code(api, "POST", tokens.format("one"), token("one"), **ONE) == 201
    assert await code(api, "POST", tokens.format("two"), token("two"), **ONE) == 403
    assert await code(api, "POST", tokens.format("two"), token("one"), **ONE) == 403
    assert await code(api, "POST", tokens.format("default"), token("one"), **ONE) == 403
    assert await code(api, "POST", tokens.format("one"), token("one", uid="other"), **ONE) == 403
    assert await code(api, "POST", tokens.format("one"), token("one", kind="Node", name="one"), **ONE) == 403
    assert await code(api, "POST", tokens.format("one"), token("one", "vault"), **ONE) == 403
    await grant(api, "system:node:one", rule("request-serviceaccounts-token-audience", "vault", names=["one"]))
    assert await code(api, "POST", tokens.format("one"), token("one", "vault"), **ONE) == 201
    # Claims: a resize is reported, nothing else.
    claim = f"{NS}/persistentvolumeclaims/one/status"
    assert await code(api, "PATCH", claim, {"status": {"capacity": {"storage": "2Gi"}}}, **MERGE, **ONE) == 200
    assert await code(api, "PATCH", claim, {"status": {"phase": "Lost"}}, **MERGE, **ONE) == 403
    assert await code(api, "PATCH", claim, {"metadata": {"labels": {"a": "b"}}}, **MERGE, **ONE) == 403
    assert await code(api, "PATCH", claim[:-7], {"metadata": {"labels": {"a": "b"}}}, **MERGE, **ONE) == 403
    # Leases and CSINodes have the node's name.
    leases = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
    assert await code(api, "POST", leases.format("kube-node-lease"), {"metadata": {"name": "one"}}, **ONE) == 201
    assert await code(api, "POST", leases.format("kube-node-lease"), {"metadata": {"name": "two"}}, **ONE) == 403
    assert await code(api, "POST", leases.format("default"), {"metadata": {"name": "one"}}, **ONE) == 403
    assert await code(api, "GET", leases.format("kube-node-lease"), **ONE) == 403
    for name, status in (("one", 201), ("two", 403)):
        body = {"metadata": {"name": name}, "spec": {"drivers": []}}
        assert await code(api, "POST", "/apis/storage.k8s.io/v1/csinodes", body, **ONE) == status
    # It evicts what runs on it, and opens no session anywhere.
    for sub in ("exec", "attach", "portforward", "proxy", "log"):
        assert await code(api, "GET", f"{NS}/pods/on-one/{sub}", **ONE) == 403
    assert await code(api, "POST", f"{NS}/pods/on-two/eviction", {"metadata": {"name": "on-two"}}, **ONE) == 403
    assert await code(api, "POST", f"{NS}/pods/on-one/eviction", {"metadata": {"name": "on-one"}}, **ONE) == 201


async def test_a_node_without_a_name_is_nobody(api: Api) -> None:
    nameless = {"Impersonate_User": "system:node:", "Impersonate_Group": "system:nodes"}
    assert await code(api, "POST", f"{V1}/nodes", {"metadata": {"name": "x"}}, **nameless) == 403
    assert await code(api, "GET", f"{V1}/services", **nameless) == 403


async def test_a_token_bound_to_a_node_ends_with_it(api: Api) -> None:
    await api.ok("POST", f"{V1}/nodes", {"metadata": {"name": "n"}})
    await api.ok("POST", f"{NS}/serviceaccounts", {"metadata": {"name": "a"}})
    bound = {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": "n"}}}
    token = (await api.ok("POST", f"{NS}/serviceaccounts/a/token", bound))["status"]["token"]
    assert await bearer(api, token, "/apis", {}) == 200
    await api.ok("DELETE", f"{V1}/nodes/n")
    assert await bearer(api, token, "/apis", {}) == 401
