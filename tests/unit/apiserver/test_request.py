"""What a request line asks for: the permission that it needs, and whether there is a route for it."""

from __future__ import annotations

import pytest

from kubette.apiserver import request

V1, NS = "/api/v1", "/api/v1/namespaces/n"
CM = ("", "configmaps", "")


@pytest.mark.parametrize(
    ("method", "target", "verb", "what", "namespace", "name"),
    [
        ("GET", f"{V1}/pods", "list", ("", "pods", ""), "", ""),
        ("GET", f"{V1}/pods?watch=1", "watch", ("", "pods", ""), "", ""),
        ("GET", f"{V1}/pods?watch=false", "list", ("", "pods", ""), "", ""),
        ("GET", f"{NS}/configmaps/c", "get", CM, "n", "c"),
        ("HEAD", f"{NS}/configmaps/c", "get", CM, "n", "c"),
        ("GET", f"{NS}/configmaps/c?watch=true", "get", CM, "n", "c"),
        ("GET", f"{NS}/configmaps/", "list", CM, "n", ""),
        ("GET", "/api/v1/namespaces/n%2Fconfigmaps", "list", CM, "n", ""),
        ("POST", f"{NS}/configmaps", "create", CM, "n", ""),
        ("PUT", f"{NS}/configmaps/c", "update", CM, "n", "c"),
        ("PATCH", f"{NS}/configmaps/c", "patch", CM, "n", "c"),
        ("DELETE", f"{NS}/configmaps/c", "delete", CM, "n", "c"),
        ("DELETE", f"{NS}/configmaps", "deletecollection", CM, "n", ""),
        ("GET", f"{NS}/configmaps?fieldSelector=metadata.name%3Dc", "list", CM, "n", "c"),
        ("GET", f"{NS}/configmaps?fieldSelector=metadata.name%3Dc,metadata.namespace%3Dn", "list", CM, "n", "c"),
        ("GET", f"{NS}/configmaps?watch=1&fieldSelector=metadata.name%3D%3Dc", "watch", CM, "n", "c"),
        ("DELETE", f"{NS}/configmaps?fieldSelector=metadata.name%3Dc", "deletecollection", CM, "n", "c"),
        ("GET", f"{NS}/configmaps?fieldSelector=metadata.name!%3Dc", "list", CM, "n", ""),
        ("GET", f"{NS}/configmaps?fieldSelector=metadata.name%3Da%2Fb", "list", CM, "n", ""),
        ("GET", f"{NS}/configmaps?fieldSelector=)", "list", CM, "n", ""),
        ("GET", f"{NS}/configmaps?labelSelector=metadata.name%3Dc", "list", CM, "n", ""),
        ("PUT", f"{NS}/configmaps/c?fieldSelector=metadata.name%3Dd", "update", CM, "n", "c"),
        ("GET", "/api/v1/watch/namespaces/n/configmaps/c", "watch", CM, "n", "c"),
        ("GET", "/api/v1/watch/configmaps", "watch", CM, "", ""),
        ("GET", NS, "get", ("", "namespaces", ""), "n", "n"),
        ("PUT", f"{NS}/finalize", "update", ("", "namespaces", "finalize"), "n", "n"),
        ("PATCH", f"{NS}/status", "patch", ("", "namespaces", "status"), "n", "n"),
        ("GET", f"{V1}/namespaces", "list", ("", "namespaces", ""), "", ""),
        ("POST", f"{NS}/pods/p/exec", "create", ("", "pods", "exec"), "n", "p"),
        ("GET", f"{NS}/pods/p/exec?command=id", "get", ("", "pods", "exec"), "n", "p"),
        ("DELETE", f"{V1}/nodes/m/proxy/pods/", "delete", ("", "nodes", "proxy"), "", "m"),
        ("PATCH", "/apis/apps/v1/namespaces/n/deployments/d/scale", "patch",
         ("apps", "deployments", "scale"), "n", "d"),
    ],
)  # fmt: skip
def test_attributes(
    method: str, target: str, verb: str, what: tuple[str, str, str], namespace: str, name: str
) -> None:
    info = request.parse(method, target)
    asked = info.attributes()
    assert info.kind is not None, "served"
    assert (asked.verb, (asked.group, asked.resource, asked.subresource)) == (verb, what)
    assert (asked.namespace, asked.name) == (namespace, name)


def test_the_field_selector_goes_to_the_authorizer() -> None:
    info = request.parse("GET", f"{V1}/pods?fieldSelector=spec.nodeName%3Dm,status.phase!%3DFailed")
    assert info.attributes().fields == (("spec.nodeName", "=", "m"), ("status.phase", "!=", "Failed"))
    assert request.parse("GET", f"{NS}/pods/p?fieldSelector=spec.nodeName%3Dm").attributes().fields == ()


@pytest.mark.parametrize(
    ("target", "resource", "namespace", "name"),
    [
        # kinds of the cluster are not served below a namespace, whatever the permission there
        (f"{NS}/persistentvolumes/v", "persistentvolumes", "n", "v"),
        (f"{NS}/nodes", "nodes", "n", ""),
        (f"{NS}/namespaces/other", "namespaces", "n", "other"),
        (f"{NS}/namespaces", "namespaces", "n", ""),
        ("/apis/rbac.authorization.k8s.io/v1/namespaces/n/clusterroles/c", "clusterroles", "n", "c"),
        ("/apis/storage.k8s.io/v1/watch/namespaces/n/storageclasses", "storageclasses", "n", ""),
        # one object of a namespaced kind has no path without its namespace
        (f"{V1}/pods/p", "pods", "", "p"),
        (f"{V1}/pods/p/log", "pods", "", "p"),
        (f"{V1}/watch/pods/p", "pods", "", "p"),
        # what is no kind, or has no such subresource
        (f"{NS}/widgets/w", "widgets", "n", "w"),
        ("/apis/apps/v1/namespaces/n/pods", "pods", "n", ""),
        ("/apis/apps/v1/namespaces/n", "namespaces", "n", "n"),
        ("/api/v2/pods", "pods", "", ""),
        (f"{NS}/configmaps/c/status", "configmaps", "n", "c"),
        (f"{NS}/pods/p/log/more", "pods", "n", "p"),
        (f"{NS}/status/more", "namespaces", "n", "n"),
        (f"{NS}/finalize/more", "namespaces", "n", "n"),
        (f"{V1}/watch/namespaces/n/pods/p/log", "pods", "n", "p"),
        (f"{V1}/proxy/nodes/m", "nodes", "", "m"),
        (f"{V1}/watch", "watch", "", ""),
        # empty parts
        (f"{NS}//configmaps/c", "", "n", "configmaps"),
        (f"{NS}/configmaps//c", "configmaps", "n", ""),
        (f"{V1}/namespaces//configmaps", "configmaps", "", ""),
        ("//api/v1/nodes/m", "nodes", "", "m"),
    ],
)
def test_no_route(target: str, resource: str, namespace: str, name: str) -> None:
    info = request.parse("GET", target)
    assert info.kind is None
    assert (info.resource, info.namespace, info.name) == (resource, namespace, name)


@pytest.mark.parametrize("target", ["/", "/api", "/api/", "/api/v1", "/api/v1/", "/apis", "/apis/apps/v1", "/metrics"])
def test_paths_that_are_no_resource(target: str) -> None:
    info = request.parse("GET", target)
    assert (info.resource, info.kind) == ("", None)
    assert (info.attributes().verb, info.attributes().path) == ("get", target)


@pytest.mark.parametrize(
    ("target", "prefix", "rest"),
    [
        (f"{NS}/pods/p/proxy", f"{NS}/pods/p/proxy", ""),
        (f"{NS}/pods/p:80/proxy/a%2Fb//c/?q=1", f"{NS}/pods/p:80/proxy", "/a%2Fb//c/"),
        (f"{V1}/nodes%2Fm/proxy/pods", f"{V1}/nodes%2Fm/proxy", "/pods"),
        (f"{V1}/nodes/m/proxy/proxy", f"{V1}/nodes/m/proxy", "/proxy"),
    ],
)
def test_a_proxy_gets_what_follows_it(target: str, prefix: str, rest: str) -> None:
    info = request.parse("GET", target)
    assert info.kind is not None and (info.prefix, info.rest) == (prefix, rest)


def test_an_encoded_slash_hides_no_part_of_a_proxy_s_path() -> None:
    assert request.parse("GET", f"{V1}/nodes/m/proxy%2Fpods").kind is None
