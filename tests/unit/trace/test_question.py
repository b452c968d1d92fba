"""The words of the command line."""

from __future__ import annotations

import pytest

from kubette.trace.question import Source, Target, TraceError, parse_source, parse_target


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("outside", Source("outside")),
        ("node/node-1", Source("node", "node-1")),
        ("pod/web", Source("pod", "web", "shop")),
        ("po/other/web", Source("pod", "web", "other")),
    ],
)
def test_where_a_path_starts(text: str, source: Source) -> None:
    assert parse_source(text, "shop") == source


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("kubia", Target("kubia", "", namespace="shop")),
        ("kubia.default:8080", Target("kubia.default", 8080, namespace="shop")),
        ("http://kubia/path?x", Target("kubia", 80, namespace="shop")),
        ("https://kubia:8443", Target("kubia", 8443, namespace="shop")),
        ("10.43.0.7", Target("10.43.0.7")),
        ("10.43.0.7:80", Target("10.43.0.7", 80, namespace="shop")),
        ("fd00::7", Target("fd00::7")),
        ("[fd00::7]:80", Target("fd00::7", 80, namespace="shop")),
        ("svc/kubia", Target("", "", ("shop", "kubia"), "shop", "svc")),
        ("service/other/kubia:http", Target("", "http", ("other", "kubia"), "shop", "svc")),
        ("pod/kubia", Target("", "", ("shop", "kubia"), "shop", "pod")),
        ("po/other/kubia:8080", Target("", 8080, ("other", "kubia"), "shop", "pod")),
        ("ingress/kubia", Target("", "", ("shop", "kubia"), "shop", "ingress")),
        ("ing/other/kubia:443", Target("", 443, ("other", "kubia"), "shop", "ingress")),
    ],
)
def test_where_it_leads(text: str, target: Target) -> None:
    assert parse_target(text, "shop") == target


@pytest.mark.parametrize("text", ["", "rc/kubia", "node", "pod/", "node/a/b", "kubia"])
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(TraceError, match="a path starts at"):
        parse_source(text, "default")


@pytest.mark.parametrize(
    "text",
    ["", "rc/kubia", "svc/", "pod/:80", "pod/a/b/c", "svc//x", "pod/x:", "http://", "http://a:99999", "kubia:0",
     "10.43.0.7:70000", "http://[::1"],
)  # fmt: skip
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(TraceError):
        parse_target(text, "default")


@pytest.mark.parametrize("text", ["ftp://kubia", "tcp://kubia:80", "pod://kubia", "javascript://x"])
def test_a_scheme_that_is_not_traced(text: str) -> None:
    with pytest.raises(TraceError, match=r"^'.*': a URL starts with http:// or https://"):
        parse_target(text, "default")
