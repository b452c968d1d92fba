"""Pods through the registry: defaults, refusals in upstream's words, what may change, binding and eviction."""

# ruff: noqa: E501 (tables of inputs and messages)

from __future__ import annotations

import copy

import pytest

from kubette.api.errors import ApiError, BadRequest, Conflict, Invalid, TooManyRequests
from kubette.api.kinds import resource
from kubette.apiserver import registry
from kubette.apiserver.registry import poddefaults, podupdate, resources

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def pod(container=None, **spec):
    return {"spec": {"containers": [{"name": "kubia", "image": "luksa/kubia", **(container or {})}], **spec}}


def test_defaults_are_upstreams(world):
    probe = {"httpGet": {"port": 8080}}
    made = world.create("pods", pod({"ports": [{"containerPort": 8080}], "livenessProbe": probe}))
    spec, container = made["spec"], made["spec"]["containers"][0]
    assert spec["restartPolicy"] == "Always" and spec["dnsPolicy"] == "ClusterFirst"
    assert spec["terminationGracePeriodSeconds"] == 30 and spec["schedulerName"] == "default-scheduler"
    assert spec["securityContext"] == {} and spec["enableServiceLinks"] is True
    assert container["imagePullPolicy"] == "Always"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "File"
    assert container["ports"][0]["protocol"] == "TCP"
    filled = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    assert container["livenessProbe"] == {"httpGet": {"port": 8080, "path": "/", "scheme": "HTTP"}, **filled}
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("operator", "values", "of_nodes", "of_pods"),
    [
        ("Gt", ["1"], None, "operator: Invalid value: \"Gt\": not a valid selector operator"),
        ("Lt", ["1", "2"], "values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'", "operator: Invalid value: \"Lt\": not a valid selector operator"),
        ("In", ["1"], None, None),
        ("NotIn", [], *["values: Required value: must be specified when `operator` is 'In' or 'NotIn'"] * 2),
        ("Exists", ["1"], *["values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"] * 2),
        ("Like", [], *['operator: Invalid value: "Like": not a valid selector operator'] * 2),
    ],
)
def test_only_nodes_are_asked_for_more_or_less(world, operator, values, of_nodes, of_pods):
    asked = {"matchExpressions": [{"key": "a", "operator": operator, "values": values}]}
    node = {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [asked]}}}
    peers = {"podAffinity": {_REQUIRED: [{"labelSelector": asked, "topologyKey": "zone"}]}}
    for affinity, words in ((node, of_nodes), (peers, of_pods)):
        if words is None:
            world.create("pods", pod(affinity=affinity))
            continue
        with pytest.raises(Invalid) as refused:
            world.create("pods", pod(affinity=affinity))
        assert words in refused.value.message


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("kubia", "latest"), ("luksa/kubia:v1", "v1"), ("localhost:5000/kubia", "latest"),
        ("localhost:5000/kubia:2", "2"), ("kubia@sha256:" + "0" * 64, ""), ("kubia:3@sha256:" + "0" * 64, "3"),
    ],
)  # fmt: skip
def test_image_tags(image, tag):
    assert poddefaults.image_tag(image) == tag


def test_volumes_env_and_resources_are_completed(world):
    env = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    volumes = [
        {"name": "scratch"},
        {"name": "conf", "configMap": {"name": "c"}},
        {"name": "tok", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ]
    container = {"env": env, "resources": {"limits": {"cpu": "1", "memory": "64Mi"}}}
    made = world.create("pods", pod(container, volumes=volumes, serviceAccountName="default"))
    spec = made["spec"]
    assert spec["volumes"][0] == {"name": "scratch", "emptyDir": {}}
    assert spec["volumes"][1]["configMap"]["defaultMode"] == 0o644
    assert spec["volumes"][2]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600
    assert spec["containers"][0]["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "1", "memory": "64Mi"}
    assert made["status"]["qosClass"] == "Guaranteed"


@pytest.mark.parametrize(
    ("containers", "qos"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
    ],
)  # fmt: skip
def test_quality_of_service(containers, qos):
    assert resources.qos_class({"containers": [{"resources": r} for r in containers]}) == qos


def mount(*names):
    return [{"name": n, "mountPath": f"/{n}"} for n in names]


@pytest.mark.parametrize(
    ("container", "spec", "says"),
    [
        ({"name": "Bad_Name"}, {}, "spec.containers[0].name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 label must consist of"),
        ({"image": ""}, {}, "spec.containers[0].image: Required value"),
        ({"image": " kubia"}, {}, "must not have leading or trailing whitespace"),
        ({"imagePullPolicy": "Sometimes"}, {}, 'Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'),
        ({"ports": [{"containerPort": 0}]}, {}, "spec.containers[0].ports[0].containerPort: Required value"),
        ({"ports": [{"containerPort": 70000}]}, {}, "must be between 1 and 65535, inclusive"),
        ({"ports": [{"name": "http", "containerPort": 1}, {"name": "http", "containerPort": 2}]}, {}, 'ports[1].name: Duplicate value: "http"'),
        ({"ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]}, {}, 'ports[1].hostPort: Duplicate value: "TCP//9"'),
        ({"ports": [{"containerPort": 1, "hostPort": 9}]}, {"hostNetwork": True}, "must match `containerPort` when `hostNetwork` is true"),
        ({"env": [{"name": "A=B", "value": "c"}]}, {}, "a valid environment variable name must consist only of printable ASCII"),
        ({"env": [{"name": "A", "valueFrom": {}}]}, {}, "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]}, {}, "error converting fieldPath: field label not supported: spec.nope"),
        ({"volumeMounts": mount("x")}, {}, 'spec.containers[0].volumeMounts[0].name: Not found: "x"'),
        ({"volumeMounts": [*mount("x"), {"name": "x", "mountPath": "/x"}]}, {"volumes": [{"name": "x"}]}, 'mountPath: Invalid value: "/x": must be unique'),
        ({}, {"volumes": [{"name": "x"}, {"name": "x"}]}, 'spec.volumes[1].name: Duplicate value: "x"'),
        ({}, {"volumes": [{"name": "x", "emptyDir": {}, "hostPath": {"path": "/"}}]}, "may not specify more than 1 volume type"),
        ({}, {"volumes": [{"name": "x", "hostPath": {"path": "/a/../b"}}]}, "must not contain '..'"),
        ({"livenessProbe": {}}, {}, "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
        ({"livenessProbe": {"tcpSocket": {"port": 1}, "successThreshold": 2}}, {}, "livenessProbe.successThreshold: Invalid value: 2: must be 1"),
        ({"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}, {}, 'resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
        ({"resources": {"limits": {"cpu": "-1"}}}, {}, "must be greater than or equal to 0"),
        ({"resources": {"limits": {"wood": "1"}}}, {}, "must be a standard resource for containers"),
        ({}, {"restartPolicy": "Maybe"}, 'spec.restartPolicy: Unsupported value: "Maybe"'),
        ({}, {"dnsPolicy": "None"}, "must provide `dnsConfig` when `dnsPolicy` is None"),
        ({}, {"nodeSelector": {"a b": "c"}}, "name part must consist of alphanumeric characters"),
        ({}, {"tolerations": [{"operator": "Equal"}]}, "operator must be Exists when `key` is empty"),
        ({}, {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]}}}, "topologyKey: Required value: can not be empty"),
        ({}, {"containers": []}, "spec.containers: Required value"),
        ({}, {"initContainers": [{"name": "kubia", "image": "i"}]}, 'spec.initContainers[0].name: Duplicate value: "kubia"'),
    ],
)  # fmt: skip
def test_what_is_refused(world, container, spec, says):
    with pytest.raises(Invalid) as refused:
        world.create("pods", pod(container, **spec))
    assert says in str(refused.value)


def test_two_hundred_containers_are_fine(world):
    containers = [{"name": f"c{i}", "image": "kubia"} for i in range(200)]
    assert len(world.create("pods", {"spec": {"containers": containers}})["spec"]["containers"]) == 200


def changed(obj, edit):
    obj = copy.deepcopy(obj)
    edit(obj)
    return obj


def test_images_and_tolerations_may_change_and_little_else(world):
    made = world.create("pods", pod())
    made = world.update("pods", changed(made, lambda p: p["spec"]["containers"][0].update(image="kubia:2")))
    assert made["metadata"]["generation"] == 2
    extra = {"key": "a", "operator": "Exists", "effect": "NoSchedule"}
    made = world.update("pods", changed(made, lambda p: p["spec"].update(tolerations=[extra])))
    with pytest.raises(Invalid, match="existing toleration can not be modified except its tolerationSeconds"):
        world.update("pods", changed(made, lambda p: p["spec"].update(tolerations=[])))
    with pytest.raises(Invalid) as refused:
        world.update("pods", changed(made, lambda p: p["spec"].update(hostname="h")))
    assert "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`," in str(
        refused.value
    )
    assert "spec.hostname" in str(refused.value)
    with pytest.raises(Invalid, match="pod updates may not add or remove containers"):
        world.update("pods", changed(made, lambda p: p["spec"]["containers"].append({"name": "b", "image": "b"})))


def test_ephemeral_containers_are_only_added(world):
    made = world.create("pods", pod())
    debug = {"name": "debug", "image": "busybox", "targetContainerName": "kubia"}
    made = world.update(
        "pods", changed(made, lambda p: p["spec"].update(ephemeralContainers=[debug])), "ephemeralcontainers"
    )
    assert made["spec"]["ephemeralContainers"][0]["terminationMessagePolicy"] == "File"
    with pytest.raises(Invalid, match='existing ephemeral containers "debug" may not be removed'):
        gone = changed(made, lambda p: p["spec"].pop("ephemeralContainers"))
        world.update("pods", gone, "ephemeralcontainers")


def test_binding_sets_the_node_once(world):
    made = world.create("pods", pod())
    result = world.connect("pods", made, "binding", {"target": {"kind": "Node", "name": "node-1"}})
    assert result.update["spec"]["nodeName"] == "node-1" and result.answer["status"] == "Success"
    assert result.update["status"]["conditions"][0]["type"] == "PodScheduled"
    with pytest.raises(Conflict, match='pod it is already assigned to node "node-1"'):
        world.connect("pods", result.update, "binding", {"target": {"name": "node-2"}})
    with pytest.raises(Invalid, match=r"target.name: Required value"):
        world.connect("pods", made, "binding", {"target": {}})


def test_eviction_asks_the_budget(world):
    made = world.create("pods", {"metadata": {"labels": {"app": "kubia"}}, **pod()})
    made["status"] |= {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    evict = {"metadata": {"name": "it"}, "deleteOptions": {"gracePeriodSeconds": 5}}
    assert world.connect("pods", made, "eviction", evict).delete_options == {"gracePeriodSeconds": 5}
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "kubia"}}}
    budget = world.create("poddisruptionbudgets.policy", {"metadata": {"name": "b"}, "spec": spec})
    budget["status"] |= {"observedGeneration": 1, "desiredHealthy": 1, "currentHealthy": 1}
    world.update("poddisruptionbudgets.policy", budget, "status")
    with pytest.raises(TooManyRequests) as refused:
        world.connect("pods", made, "eviction", evict)
    cause = refused.value.details["causes"][0]
    assert cause["message"] == "The disruption budget b needs 1 healthy pods and has 1 currently"
    world.create("poddisruptionbudgets.policy", {"metadata": {"name": "c"}, "spec": spec})
    with pytest.raises(ApiError, match="more than one PodDisruptionBudget"):
        world.connect("pods", made, "eviction", evict)
    with pytest.raises(BadRequest):
        world.connect("pods", made, "eviction", {"metadata": {"name": "other"}})


def test_a_finished_container_does_not_start_again(world):
    made = world.create("pods", pod(restartPolicy="Never"))
    ended = [{"name": "kubia", "state": {"terminated": {"exitCode": 0}}}]
    made = world.update("pods", changed(made, lambda p: p["status"].update(containerStatuses=ended)), "status")
    running = [{"name": "kubia", "state": {"running": {}}}]
    with pytest.raises(Invalid, match="may not be transitioned to non-terminated state"):
        world.update("pods", changed(made, lambda p: p["status"].update(containerStatuses=running)), "status")


@pytest.mark.parametrize(
    ("own", "code", "may"),
    [({"restartPolicy": "OnFailure"}, 1, True), ({"restartPolicy": "OnFailure"}, 0, False), ({}, 42, False),
     ({"restartPolicy": "Never", "restartPolicyRules": [
         {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]}, 42, True)],
)  # fmt: skip
def test_a_container_may_start_again_by_rules_of_its_own(own, code, may):
    spec = {"restartPolicy": "Never", "containers": [{"name": "kubia", **own}]}
    old, new = (
        {"spec": spec, "status": {"containerStatuses": [{"name": "kubia", "state": state}]}}
        for state in ({"terminated": {"exitCode": code}}, {"waiting": {}})
    )
    assert (podupdate.validate_status(new, old) == []) is may


def test_selectable_fields():
    fields = registry.strategy_for(resource("pods")).selectable_fields
    obj = {"metadata": {}, "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"}}
    assert fields["spec.nodeName"](obj) == "node-1" and fields["status.phase"](obj) == "Running"
    assert fields["status.podIP"](obj) == ""


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"ephemeralContainers": [{"name": "e", "image": "i"}]}, "spec.ephemeralContainers: Forbidden: cannot be set on create"),
        ({"nodeName": "n", "schedulingGates": [{"name": "g"}]}, "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"),
        ({"os": {"name": "plan9"}}, 'spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'),
    ],
)  # fmt: skip
def test_what_a_new_pod_may_not_have(world, spec, says):
    with pytest.raises(Invalid, match="is invalid") as caught:
        world.create("pods", pod(**spec))
    assert says in caught.value.message


def test_resize_policies_are_of_cpu_and_memory(world):
    policies = [{"resourceName": "disk", "restartPolicy": "NotRequired"}, {"resourceName": "cpu", "restartPolicy": "Now"}]
    with pytest.raises(Invalid) as caught:
        world.create("pods", pod({"resizePolicy": policies}))
    assert 'resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"' in caught.value.message
    assert 'Unsupported value: "Now": supported values: "NotRequired", "RestartContainer"' in caught.value.message


def test_a_refused_change_is_shown_as_json_and_once(world):
    made = world.create("pods", pod())
    made["spec"]["hostname"] = "h"
    with pytest.raises(Invalid, match=r'spec\.hostname: <unset> → "h"'):
        world.update("pods", made)
    del made["spec"]["hostname"]
    made["spec"]["containers"][0]["image"] = ""
    with pytest.raises(Invalid) as caught:
        world.update("pods", made)
    assert caught.value.message == 'Pod "it" is invalid: spec.containers[0].image: Required value'
