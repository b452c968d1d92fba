"""Pod Security in a real API server: a namespace's labels decide about pods, and warn of what makes pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from kubette.testing.apiserver import Api, serving

V1, NS = "/api/v1", "/api/v1/namespaces/team"
P = "pod-security.kubernetes.io/"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
Object = dict[str, Any]
PRIVILEGED = 'privileged (container "c" must not set securityContext.privileged=true)'
GOOD = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        await api.ok("POST", f"{V1}/namespaces", {"metadata": {"name": "team"}})
        await api.ok("POST", f"{NS}/serviceaccounts", {"metadata": {"name": "default"}})
        yield api


async def ask(
    api: Api, method: str, path: str, body: Object, media: str = "application/json"
) -> tuple[int, Object, list[str]]:
    """The status, the answer and the warnings."""
    headers = {"Content-Type": media}
    async with api.session.request(method, api.url + path, data=orjson.dumps(body), headers=headers) as answer:
        texts = [w.removeprefix('299 - "')[:-1].replace('\\"', '"') for w in answer.headers.getall("Warning", [])]
        return answer.status, await answer.json(), texts


async def label(api: Api, **labels: str | None) -> tuple[int, Object, list[str]]:
    named = {f"{P}{key.replace('_', '-')}": value for key, value in labels.items()}
    return await ask(api, "PATCH", NS, {"metadata": {"labels": named}}, MERGE)


def pod(name: str, /, **security: Any) -> Object:
    return {"metadata": {"name": name}, "spec": template(**security)["spec"]}


def template(**security: Any) -> Object:
    return {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "i", "securityContext": security}]},
    }


async def test_an_enforced_level_refuses_pods_in_upstreams_words(api: Api) -> None:
    await label(api, enforce="baseline")
    status, answer, _ = await ask(api, "POST", f"{NS}/pods", pod("a", privileged=True))
    assert status == 403
    assert answer["message"] == f'pods "a" is forbidden: violates PodSecurity "baseline:latest": {PRIVILEGED}'
    assert (answer["reason"], answer["details"]) == ("Forbidden", {"name": "a", "kind": "pods"})
    status, answer, warnings = await ask(api, "POST", f"{NS}/pods", pod("b"))
    assert (status, warnings) == (201, [])
    elsewhere = f"{V1}/namespaces/default"
    await api.ok("POST", f"{elsewhere}/serviceaccounts", {"metadata": {"name": "default"}})
    assert (await ask(api, "POST", f"{elsewhere}/pods", pod("a", privileged=True)))[::2] == (201, [])
    invalid = pod("a", privileged=True)
    invalid["spec"]["containers"][0]["name"] = "NO"
    assert (await ask(api, "POST", f"{NS}/pods", invalid))[0] == 422, "validation comes first"
    generated = pod("", privileged=True)
    generated["metadata"] = {"generateName": "web-"}
    assert (await ask(api, "POST", f"{NS}/pods", generated))[1]["message"].startswith('pods "web-')


async def test_a_level_to_warn_of_warns_and_versions_count(api: Api) -> None:
    await label(api, enforce="baseline", warn="restricted", warn_version="v1.21")
    status, _, warnings = await ask(api, "POST", f"{NS}/pods", pod("d", allowPrivilegeEscalation=False))
    assert status == 201
    assert warnings == [
        'would violate PodSecurity "restricted:v1.21": runAsNonRoot != true (pod or container "c" must set '
        'securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set '
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    ]
    assert (await ask(api, "POST", f"{NS}/pods", pod("e", **GOOD)))[2] == []
    status, _, warnings = await ask(api, "POST", f"{NS}/pods", pod("f", privileged=True))
    assert (status, warnings) == (403, []), "no warning beside a refusal"


@pytest.mark.parametrize(("path", "wrap"), [
    ("/apis/apps/v1/namespaces/team/deployments", lambda t: {"selector": {"matchLabels": {"app": "a"}}, "template": t}),
    ("/apis/apps/v1/namespaces/team/replicasets", lambda t: {"selector": {"matchLabels": {"app": "a"}}, "template": t}),
    ("/apis/apps/v1/namespaces/team/daemonsets", lambda t: {"selector": {"matchLabels": {"app": "a"}}, "template": t}),
    ("/apis/apps/v1/namespaces/team/statefulsets",
     lambda t: {"selector": {"matchLabels": {"app": "a"}}, "serviceName": "s", "template": t}),
    ("/apis/batch/v1/namespaces/team/jobs", lambda t: {"template": _never(t)}),
    ("/apis/batch/v1/namespaces/team/cronjobs",
     lambda t: {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": _never(t)}}}),
    (f"{NS}/replicationcontrollers", lambda t: {"selector": {"app": "a"}, "template": t}),
])  # fmt: skip
async def test_what_makes_pods_is_warned_about_and_never_refused(api: Api, path: str, wrap: Any) -> None:
    await label(api, enforce="baseline")
    bad = {"metadata": {"name": "x"}, "spec": wrap(template(privileged=True))}
    words = f'would violate PodSecurity "baseline:latest": {PRIVILEGED}'
    status, _, warnings = await ask(api, "POST", path, bad)
    assert status == 201 and words in warnings
    status, _, warnings = await ask(api, "PATCH", f"{path}/x", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert status == 200 and words in warnings
    good = {"metadata": {"name": "y"}, "spec": wrap(template())}
    status, _, warnings = await ask(api, "POST", path, good)
    assert status == 201 and "PodSecurity" not in str(warnings)


def _never(template: Object) -> Object:
    return {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}


async def test_a_pod_template_is_warned_about_and_a_scale_is_not(api: Api) -> None:
    await label(api, enforce="baseline")
    body = {"metadata": {"name": "x"}, "template": template(privileged=True)}
    assert len((await ask(api, "POST", f"{NS}/podtemplates", body))[2]) == 1
    bad = {"selector": {"matchLabels": {"app": "a"}}, "template": template(privileged=True)}
    deployments = "/apis/apps/v1/namespaces/team/deployments"
    await ask(api, "POST", deployments, {"metadata": {"name": "x"}, "spec": bad})
    assert (await ask(api, "PATCH", f"{deployments}/x/scale", {"spec": {"replicas": 2}}, MERGE))[::2] == (200, [])


async def test_only_an_update_that_changes_what_is_checked_is_checked(api: Api) -> None:
    await api.ok("POST", f"{NS}/pods", pod("old", privileged=True))
    await label(api, enforce="baseline")
    path = f"{NS}/pods/old"
    assert (await ask(api, "PATCH", path, {"metadata": {"labels": {"a": "b"}}}, MERGE))[0] == 200
    image = {"spec": {"containers": [{"name": "c", "image": "other"}]}}
    status, answer, _ = await ask(api, "PATCH", path, image, STRATEGIC)
    assert status == 403 and answer["message"].endswith(f'violates PodSecurity "baseline:latest": {PRIVILEGED}')
    status, _, _ = await ask(api, "PATCH", f"{path}/status", {"status": {"message": "m"}}, MERGE)
    assert status == 200


async def test_an_ephemeral_container_is_checked(api: Api) -> None:
    await label(api, enforce="baseline")
    await api.ok("POST", f"{NS}/pods", pod("p"))
    path = f"{NS}/pods/p/ephemeralcontainers"

    def debug(**security: Any) -> Object:
        return {"spec": {"ephemeralContainers": [{"name": "debug", "image": "i", "securityContext": security}]}}

    status, answer, _ = await ask(api, "PATCH", path, debug(privileged=True), STRATEGIC)
    assert status == 403 and 'privileged (container "debug" must not' in answer["message"]
    assert (await ask(api, "PATCH", path, debug(), STRATEGIC))[0] == 200


async def test_a_namespace_that_begins_to_enforce_a_level_warns_of_its_pods(api: Api) -> None:
    for name in ("b", "a"):
        await api.ok("POST", f"{NS}/pods", pod(name, privileged=True))
    said = ['existing pods in namespace "team" violate the new PodSecurity enforce level "baseline:latest"',
            "a (and 1 other pod): privileged"]  # fmt: skip
    patch = {"metadata": {"labels": {f"{P}enforce": "baseline"}}}
    assert (await ask(api, "PATCH", f"{NS}?dryRun=All", patch, MERGE))[::2] == (200, said)
    assert (await label(api, enforce="baseline"))[::2] == (200, said)
    assert (await label(api, enforce="baseline", warn="restricted"))[2] == [], "enforce has not changed"
    assert (await label(api, enforce="restricted"))[2][0].endswith('level "restricted:latest"')
    assert (await label(api, enforce="baseline"))[2] == [], "a weaker level"
    assert (await label(api, enforce=None))[::2] == (200, [])


async def test_wrong_labels_are_refused_where_they_are_written(api: Api) -> None:
    status, answer, _ = await label(api, enforce="strict", warn_version="1.2")
    assert status == 422
    assert [c["field"] for c in answer["details"]["causes"]] == [
        f"metadata.labels[{P}enforce]", f"metadata.labels[{P}warn-version]",
    ]  # fmt: skip
    created = {"metadata": {"name": "n", "labels": {f"{P}audit": "much"}}}
    status, answer, _ = await ask(api, "POST", f"{V1}/namespaces", created)
    assert status == 422 and answer["message"] == (
        f'Namespace "n" is invalid: metadata.labels[{P}audit]: Invalid value: "much": must be one of privileged, '
        "baseline, restricted"
    )
