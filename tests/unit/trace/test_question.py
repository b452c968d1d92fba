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
        ("kubia", Target("kubia", "", None, "shop")),
        ("kubia.default:8080", Target("kubia.default", 8080, None, "shop")),
        ("http://kubia/path?x", Target("kubia", 80, None, "shop")),
        ("https://kubia:8443", Target("kubia", 8443, None, "shop")),
        ("10.43.0.7", Target("10.43.0.7")),
        ("10.43.0.7:80", Target("10.43.0.7", 80, None, "shop")),
        ("fd00::7", Target("fd00::7")),
        ("[fd00::7]:80", Target("fd00::7", 80, None, "shop")),
        ("svc/kubia", Target("", "", ("shop", "kubia"), "shop")),
        ("service/other/kubia:http", Target("", "http", ("other", "kubia"), "shop")),
    ],
)
def test_where_it_leads(text: str, target: Target) -> None:
    assert parse_target(text, "shop") == target


@pytest.mark.parametrize("text", ["", "rc/kubia", "node", "pod/", "node/a/b", "kubia"])
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(TraceError, match="a path starts at"):
        parse_source(text, "default")


@pytest.mark.parametrize("text", ["", "rc/kubia", "http://", "http://a:99999", "kubia:0", "10.43.0.7:70000", "http://[::1"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(TraceError):
        parse_target(text, "default")
