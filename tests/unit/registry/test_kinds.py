"""The other kinds: one test a rule that somebody relies on."""

# ruff: noqa: E501 (tables of inputs and messages)

from __future__ import annotations

import copy

import pytest

from kubette.api.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound, ServiceUnavailable
from kubette.api.kinds import all_kinds, resource
from kubette.apiserver import registry
from kubette.apiserver.registry import RegistryConfig, objectmeta
from kubette.apiserver.registry.cronjobs import schedule_error

from .conftest import NOW


def test_every_kind_has_one_shared_strategy():
    for kind in all_kinds():
        assert registry.strategy_for(kind) is registry.strategy_for(kind)


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ({"name": "Upper"}, "metadata.name: Invalid value: \"Upper\": a lowercase RFC 1123 subdomain"),
        ({}, "metadata.name: Required value: name or generateName is required"),
        ({"name": "a", "labels": {"-x": "y"}}, 'metadata.labels: Invalid value: "-x": name part must consist of'),
        ({"name": "a", "labels": {"x": "no spaces"}}, 'metadata.labels: Invalid value: "no spaces": a valid label must be'),
        ({"name": "a", "annotations": {"k": "v" * 300000}}, "metadata.annotations: Too long: may not be more than 262144 bytes"),
        ({"name": "a", "finalizers": ["plain"]}, "neither a standard finalizer name nor is it fully qualified"),
        ({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}]}, 'metadata.ownerReferences.uid: Invalid value: "": must not be empty'),
        ({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": n, "uid": n, "controller": True} for n in "pq"]}, "Only one reference can have Controller set to true. Found \"true\" in references for Pod/p and Pod/q"),
    ],
)  # fmt: skip
def test_metadata(meta, says):
    found = objectmeta.validate_meta(resource("configmaps"), {"metadata": {"namespace": "default", **meta}})
    assert any(says in str(e) for e in found), [str(e) for e in found]


def test_metadata_updates():
    kind = resource("configmaps")
    old = {"metadata": {"name": "a", "namespace": "d", "uid": "u", "deletionTimestamp": "2030-01-01T00:00:00Z"}}
    new = copy.deepcopy(old)
    new["metadata"] |= {"uid": "w", "finalizers": ["kubette.dev/x"]}
    words = [str(e) for e in objectmeta.validate_meta_update(kind, new, old)]
    assert 'metadata.uid: Invalid value: "w": field is immutable' in words
    assert any("no new finalizers can be added if the object is being deleted" in w for w in words)


def test_replication_controllers_take_labels_and_selector_from_the_template(world, template):
    made = world.create("replicationcontrollers", {"spec": {"template": template}})
    assert made["spec"]["selector"] == made["metadata"]["labels"] == {"app": "kubia"}
    assert made["spec"]["replicas"] == 1 and made["status"] == {"replicas": 0}
    pod = made["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Always" and "enableServiceLinks" not in pod
    made["spec"]["replicas"] = 3
    assert world.update("replicationcontrollers", made)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"selector": {"app": "other"}}, "spec.template.metadata.labels: Invalid value: {\"app\":\"kubia\"}: `selector` does not match template `labels`"),
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        ({"template": None}, "spec.template: Required value"),
    ],
)  # fmt: skip
def test_replication_controllers_refuse(world, template, spec, says):
    wanted = {k: v for k, v in {"template": template, **spec}.items() if v is not None}
    with pytest.raises(Invalid) as refused:
        world.create("replicationcontrollers", {"spec": wanted})
    assert says in str(refused.value)


def test_deployments(world, template):
    selector = {"matchLabels": {"app": "kubia"}}
    made = world.create("deployments.apps", {"spec": {"selector": selector, "template": template}})
    spec = made["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"], spec["replicas"]) == (10, 600, 1)
    made["spec"]["selector"] = {"matchLabels": {"app": "kubia", "x": "y"}}
    made["spec"]["template"]["metadata"]["labels"]["x"] = "y"
    with pytest.raises(Invalid, match=r"spec.selector: Invalid value: .*field is immutable"):
        world.update("deployments.apps", made)
    none = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}
    with pytest.raises(Invalid, match="may not be 0 when `maxSurge` is 0"):
        world.create("deployments.apps", {"spec": {**spec, "selector": selector, "strategy": none}})


def test_daemon_and_stateful_sets(world, template):
    selector = {"matchLabels": {"app": "kubia"}}
    daemon = world.create("daemonsets.apps", {"spec": {"selector": selector, "template": template}})
    assert daemon["spec"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert daemon["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "1"}
    spec = {"selector": selector, "template": template, "serviceName": "kubia"}
    stateful = world.create("statefulsets.apps", {"spec": spec})
    assert stateful["spec"]["podManagementPolicy"] == "OrderedReady"
    stateful["spec"]["serviceName"] = "other"
    with pytest.raises(Invalid, match="updates to statefulset spec for fields other than 'replicas', 'ordinals'"):
        world.update("statefulsets.apps", stateful)


def test_jobs_select_by_their_uid(world, template):
    with pytest.raises(Invalid, match='restartPolicy: Required value: valid values: "OnFailure", "Never"'):
        world.create("jobs.batch", {"spec": {"template": template}})
    template["spec"]["restartPolicy"] = "Never"
    made = world.create("jobs.batch", {"spec": {"template": template}})
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "it"
    assert (made["spec"]["completions"], made["spec"]["parallelism"], made["spec"]["backoffLimit"]) == (1, 1, 6)


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "0 9-17 1,15 jan-mar mon", "@hourly", "@every 1h30m"])
def test_schedules(schedule):
    assert schedule_error(schedule) == ""


@pytest.mark.parametrize("schedule", ["* * * *", "61 * * * *", "*/0 * * * *", "x * * * *", "@never", "5-1 * * * *"])
def test_bad_schedules(schedule):
    assert schedule_error(schedule)


def test_namespaces_have_a_finalizer_and_some_stay(world):
    made = world.create("namespaces", {"metadata": {"name": "a"}})
    assert made["spec"] == {"finalizers": ["kubernetes"]} and made["status"] == {"phase": "Active"}
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "a"}
    assert world.update("namespaces", {**made, "spec": {}})["spec"] == {"finalizers": ["kubernetes"]}
    assert world.update("namespaces", {**made, "spec": {"finalizers": []}}, "finalize")["spec"] == {"finalizers": []}
    strategy = registry.strategy_for(resource("namespaces"))
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        strategy.check_delete({"metadata": {"name": "kube-system"}}, world.context())


def test_secrets_and_config_maps(world):
    made = world.create("secrets", {"stringData": {"k": "v"}})
    assert made["data"] == {"k": "dg=="} and made["type"] == "Opaque" and "stringData" not in made
    with pytest.raises(Invalid, match=r"data\[tls.crt\]: Required value"):
        world.create("secrets", {"type": "kubernetes.io/tls"})
    with pytest.raises(Invalid, match="a valid config key must consist of"):
        world.create("configmaps", {"data": {"no spaces": ""}})
    with pytest.raises(Invalid, match=r"\[\]: Too long: may not be more than 1048576 bytes"):
        world.create("configmaps", {"data": {"k": "x" * (1 << 20), "l": "y"}})
    fixed = world.create("configmaps", {"immutable": True, "data": {"k": "v"}})
    fixed["data"]["k"] = "w"
    with pytest.raises(Invalid, match="field is immutable when `immutable` is set"):
        world.update("configmaps", fixed)


def test_tokens_are_bound_to_what_exists(world):
    account = world.create("serviceaccounts", {"metadata": {"name": "sa"}})
    with pytest.raises(ServiceUnavailable):
        world.connect("serviceaccounts", account, "token", {"spec": {}})
    asked = []

    def sign(claims):
        asked.append(claims)
        return "jwt", "2030-01-01T01:00:00Z"

    registry.configure(RegistryConfig(sign_token=sign))
    containers = [{"name": "c", "image": "i"}]
    pod = world.create("pods", {"spec": {"serviceAccountName": "sa", "containers": containers}})
    ref = {"apiVersion": "v1", "kind": "Pod", "name": "it", "uid": pod["metadata"]["uid"]}
    spec = {"expirationSeconds": 3607, "boundObjectRef": ref}
    answer = world.connect("serviceaccounts", account, "token", {"spec": spec}).answer
    assert answer["status"]["token"] == "jwt"
    assert (asked[0].bound_name, asked[0].expiration_seconds, asked[0].warn_after) == ("it", 365 * 86400, 3607)
    assert answer["spec"]["expirationSeconds"] == 3607
    unversioned = {"boundObjectRef": {"kind": "Pod", "name": "it"}}  # upstream goes by group and kind
    assert world.connect("serviceaccounts", account, "token", {"spec": unversioned}).answer["status"]["token"]
    other = world.create("serviceaccounts", {"metadata": {"name": "other"}})
    with pytest.raises(BadRequest, match="different serviceaccount name"):
        world.connect("serviceaccounts", other, "token", {"spec": spec})
    with pytest.raises(Invalid, match="may not specify a duration less than 10 minutes"):
        world.connect("serviceaccounts", account, "token", {"spec": {"expirationSeconds": 5}})


TOKEN_ERRORS = [
    ({"metadata": {"namespace": "n"}}, BadRequest, "the namespace of the provided object does not match"),
    ({"metadata": {"name": "n"}}, Invalid, 'TokenRequest.authentication.k8s.io "sa" is invalid: metadata.name: Invalid value: "n": must match the service account name'),
    ({"metadata": {"uid": "u"}}, Conflict, r'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "sa": the UID in the token request \(u\)'),
    ({"spec": {"expirationSeconds": 599}}, Invalid, 'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10'),
    ({"spec": {"expirationSeconds": (1 << 32) + 1}}, Invalid, r"may not specify a duration larger than 2\^32 seconds"),
    ({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}}}, BadRequest, "cannot bind token to object of type /v1, Kind=ConfigMap"),
    ({"spec": {"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Pod", "name": "it"}}}, BadRequest, "cannot bind token to object of type apps/v1, Kind=Pod"),
    ({"spec": {"boundObjectRef": {"kind": "Pod", "name": "none"}}}, NotFound, 'pods "none" not found'),
    ({"spec": {"boundObjectRef": {"kind": "Secret", "name": "none"}}}, NotFound, 'secrets "none" not found'),
    ({"spec": {"boundObjectRef": {"kind": "Node", "name": "none"}}}, NotFound, 'nodes "none" not found'),
    ({"spec": {"boundObjectRef": {"kind": "Pod", "name": "it", "uid": "u"}}}, Conflict, r'Operation cannot be fulfilled on Pod "it": the UID in the bound object reference \(u\) does not match the UID in record'),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "error", "words"), TOKEN_ERRORS)
def test_a_token_request_says_whom_it_means(world, request_, error, words):
    registry.configure(RegistryConfig(sign_token=lambda claims: ("jwt", "2030-01-01T01:00:00Z")))
    account = world.create("serviceaccounts", {"metadata": {"name": "sa"}})
    world.create("pods", {"spec": {"serviceAccountName": "sa", "containers": [{"name": "c", "image": "i"}]}})
    with pytest.raises(error, match=words):
        world.connect("serviceaccounts", account, "token", request_)


def test_what_a_token_is_good_for(world):
    asked = []
    registry.configure(RegistryConfig(sign_token=lambda c: (asked.append(c), ("jwt", "2030-01-01T01:00:00Z"))[1]))
    account = world.create("serviceaccounts", {"metadata": {"name": "sa"}})
    pod = world.create("pods", {"spec": {"serviceAccountName": "sa", "containers": [{"name": "c", "image": "i"}]}})
    secret = world.create("secrets", {"metadata": {"name": "s"}})
    own = RegistryConfig().api_audiences

    def claims(**spec):
        answer = world.connect("serviceaccounts", account, "token", {"spec": spec}).answer
        header = answer["metadata"]
        assert (header["name"], header["namespace"], header["uid"]) == ("sa", "default", account["metadata"]["uid"])
        return asked[-1]

    assert (claims().audiences, claims().expiration_seconds) == (own, 3600)
    assert claims(expirationSeconds=1 << 32).expiration_seconds == 1 << 32  # no cap is configured
    assert claims(boundObjectRef={"kind": "Secret", "name": "s"}).bound_uid == secret["metadata"]["uid"]
    # Only a pod's token for this server outlives what it asks for.
    bound = {"kind": "Pod", "name": "it", "uid": pod["metadata"]["uid"]}
    for spec in ({}, {"boundObjectRef": bound, "audiences": ["vault", *own]}):
        got = claims(expirationSeconds=3607, **spec)
        assert (got.expiration_seconds, got.warn_after) == (3607, 0)


def test_no_token_for_an_account_that_is_being_deleted(world):
    registry.configure(RegistryConfig(sign_token=lambda claims: ("jwt", "2030-01-01T01:00:00Z")))
    account = world.create("serviceaccounts", {"metadata": {"name": "sa", "finalizers": ["a.b/c"]}})
    pod = world.create("pods", {"spec": {"serviceAccountName": "sa", "containers": [{"name": "c", "image": "i"}]}})
    # A pod that ends still renews its tokens.
    world.objects["pods", "default", "it"] = {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": NOW}}
    spec = {"boundObjectRef": {"kind": "Pod", "name": "it"}}
    assert world.connect("serviceaccounts", account, "token", {"spec": spec}).answer["status"]["token"] == "jwt"
    account["metadata"]["deletionTimestamp"] = NOW
    with pytest.raises(Conflict, match="the service account is being deleted"):
        world.connect("serviceaccounts", account, "token", {"spec": {}})


def backend(**port):
    return {"service": {"name": "kubia", "port": port}}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ({"backend": backend(number=80)}, "pathType: Required value: pathType must be specified"),
        ({"pathType": "Prefix", "path": "x", "backend": backend(number=80)}, "must be an absolute path"),
        ({"pathType": "Exact", "path": "/", "backend": backend()}, "port name or number is required"),
    ],
)
def test_ingresses_refuse(world, path, says):
    with pytest.raises(Invalid, match=says):
        world.create("ingresses.networking.k8s.io", {"spec": {"rules": [{"http": {"paths": [path]}}]}})


def test_endpoints_by_hand(world):
    subsets = [{"addresses": [{"ip": "11.11.11.11"}], "ports": [{"port": 80}]}]
    assert world.create("endpoints", {"subsets": subsets})["subsets"][0]["ports"][0]["protocol"] == "TCP"
    with pytest.raises(Invalid, match="may not be in the loopback range"):
        world.create("endpoints", {"subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 80}]}]})


def test_role_bindings_keep_their_role(world):
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subjects = [{"kind": "User", "name": "alice"}]
    made = world.create("rolebindings.rbac.authorization.k8s.io", {"roleRef": role, "subjects": subjects})
    assert made["subjects"][0]["apiGroup"] == "rbac.authorization.k8s.io"
    made["roleRef"]["name"] = "edit"
    with pytest.raises(Invalid, match="cannot change roleRef"):
        world.update("rolebindings.rbac.authorization.k8s.io", made)


def test_generation_moves_with_the_spec_only(world, template):
    made = world.create("replicationcontrollers", {"spec": {"template": template}})
    made["metadata"]["labels"]["x"] = "y"
    made = world.update("replicationcontrollers", made)
    assert made["metadata"]["generation"] == 1
    made["spec"]["replicas"] = 5
    assert world.update("replicationcontrollers", made)["metadata"]["generation"] == 2


def test_a_nodes_identity_stays(world):
    node = world.create("nodes", {"spec": {"podCIDR": "10.42.0.0/24", "providerID": "a://b"}})
    assert node["spec"]["podCIDRs"] == ["10.42.0.0/24"]
    for change, says in (
        ({"podCIDR": "10.42.9.0/24"}, 'may not change podCIDR except from "" to valid'),
        ({"providerID": "c://d"}, 'may not change providerID except from "" to valid'),
        ({"externalID": "e"}, "spec.externalID: Forbidden: may not be updated"),
    ):
        with pytest.raises(Invalid, match=says):
            world.update("nodes", {**node, "spec": {**node["spec"], **change}})
    assert world.update("nodes", {**node, "spec": {**node["spec"], "unschedulable": True}})["spec"]["unschedulable"]


@pytest.mark.parametrize("name", ["deployments.apps", "replicasets.apps", "replicationcontrollers"])
def test_counts_of_a_status_that_cannot_be(world, template, name):
    selector = template["metadata"]["labels"]
    selector = selector if name == "replicationcontrollers" else {"matchLabels": selector}
    made = world.create(name, {"spec": {"replicas": 1, "selector": selector, "template": template}})
    with pytest.raises(Invalid, match=r"status\.replicas: Invalid value: -3: must be greater than or equal to 0"):
        world.update(name, {**made, "status": {"replicas": -3}}, "status")


EVENT = {
    "eventTime": "2030-01-01T00:00:00.000000Z", "reportingController": "kubette.dev/x", "reportingInstance": "x-0",
    "action": "Started", "reason": "Begun", "type": "Normal", "note": "it runs",
    "regarding": {"kind": "Pod", "namespace": "default", "name": "p"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"eventTime": None}, "eventTime: Required value"),
        ({"type": "Odd"}, "type: Invalid value: \"\": has invalid value: Odd"),
        ({"action": ""}, "action: Required value"),
        ({"reportingController": ""}, "reportingController: Required value"),
        ({"note": "x" * 1025}, "message: Invalid value: \"\": can have at most 1024 characters"),
        ({"series": {"count": 1}}, "series.count: Invalid value: \"\": should be at least 2"),
        ({"deprecatedCount": 3}, "count: Invalid value: \"\": needs to be unset"),
    ],
)
def test_a_new_event_of_its_own_group(world, change, says):
    with pytest.raises(Invalid) as caught:
        world.create("events.events.k8s.io", {k: v for k, v in {**EVENT, **change}.items() if v is not None})
    assert says in caught.value.message


def test_an_event_changes_its_series_only(world):
    made = world.create("events.events.k8s.io", EVENT)
    series = {"count": 2, "lastObservedTime": "2030-01-01T00:00:01.000000Z"}
    assert world.update("events.events.k8s.io", {**made, "series": series})["series"] == series
    with pytest.raises(Invalid, match="message: Invalid value: \"other\": field is immutable"):
        world.update("events.events.k8s.io", {**made, "note": "other"})


def test_an_old_event_needs_little(world):
    about = {"kind": "Node", "name": "n"}
    world.create("events", {"involvedObject": about})
    with pytest.raises(Invalid, match=r"does not match event\.namespace"):
        world.create("events", {"metadata": {"name": "b"}, "involvedObject": {**about, "namespace": "other"}})


def test_a_controller_revision_never_changes(world):
    made = world.create("controllerrevisions.apps", {"revision": 1, "data": {"a": 1}})
    assert world.update("controllerrevisions.apps", {**made, "revision": 2})["revision"] == 2
    with pytest.raises(Invalid, match="data: Invalid value"):
        world.update("controllerrevisions.apps", {**made, "data": {"a": 2}})
    with pytest.raises(Invalid, match="revision: Invalid value: -1"):
        world.update("controllerrevisions.apps", {**made, "revision": -1})


def test_one_priority_class_is_the_default(world):
    name = "priorityclasses.scheduling.k8s.io"
    first = world.create(name, {"metadata": {"name": "a"}, "value": 1, "globalDefault": True})
    second = world.create(name, {"metadata": {"name": "b"}, "value": 2})
    world.update(name, {**first, "description": "still the default"})
    with pytest.raises(Forbidden, match="PriorityClass a is already marked as default"):
        world.update(name, {**second, "globalDefault": True})
    with pytest.raises(Forbidden, match="Only one default can exist"):
        world.create(name, {"metadata": {"name": "c"}, "value": 3, "globalDefault": True})
