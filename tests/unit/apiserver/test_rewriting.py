"""Links of pages behind the proxy lead back through it."""

from __future__ import annotations

import pytest

from kubette.apiserver.rewriting import Rewriting, cut

P = "/api/v1/namespaces/default/services/web/proxy"
REWRITING = Rewriting(P, "10.42.0.5:8080", "api.example:6443")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/a?b=/c#d", f"{P}/a?b=/c#d"),
        ("/", f"{P}/"),
        (f"{P}/a", f"{P}/a"),
        ("a/b", "a/b"),
        ("#top", "#top"),
        ("mailto:me@example.com", "mailto:me@example.com"),
        ("http://10.42.0.5:8080/login", f"{P}/login"),
        ("//10.42.0.5:8080/login", f"{P}/login"),
        ("https://api.example:6443/x", f"https://api.example:6443{P}/x"),
        ("http://example.com/x", "http://example.com/x"),
    ],
)
def test_urls(said: str, told: str) -> None:
    assert REWRITING.url(said) == told


def test_pages() -> None:
    page = (
        b"<html><A class=/x HREF='/a'>/b</A><img src=/i.png longdesc=\"/d\"><p title=\"/t\">"
        b'<script src="/s.js">if (a</b/) x = "/y";</script><a name=top>'
    )
    prefix = P.encode()
    assert REWRITING.html(page) == (
        b"<html><A class=/x HREF='" + prefix + b"/a'>/b</A><img src=" + prefix + b'/i.png longdesc="' + prefix
        + b'/d"><p title="/t"><script src="' + prefix + b'/s.js">if (a</b/) x = "/y";</script><a name=top>'
    )  # fmt: skip


def test_a_tag_that_comes_in_two_parts_waits_for_its_end() -> None:
    assert cut(b"<p>text") == len(b"<p>text")
    assert cut(b"<p>text<a href=") == len(b"<p>text")
    assert cut(b"no tags") == 7
    assert cut(b"<" + b"x" * 100_000) == 100_001  # no tag is that long
