"""Image references as people write them, and what they mean."""

from __future__ import annotations

import pytest

from kubette.runtime.interface import ImageFailure
from kubette.runtime.references import parse


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("luksa/kubia", "docker.io/luksa/kubia:latest"),
        ("localhost/x:1", "localhost/x:1"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest"),
        ("index.docker.io/nginx:1.27", "docker.io/library/nginx:1.27"),
        ("a.b/c@sha256:" + "0" * 64, "a.b/c@sha256:" + "0" * 64),
        ("a.b/c:t@sha256:" + "0" * 64, "a.b/c:t@sha256:" + "0" * 64),
    ],
)
def test_normal_form(written: str, means: str) -> None:
    assert str(parse(written)) == means


@pytest.mark.parametrize("written", ["", "UPPER", "a:b:c", "-x", "a//b", "x@sha256:12", "a b", "x:"])
def test_what_is_no_reference(written: str) -> None:
    with pytest.raises(ImageFailure, match="couldn't parse image name") as caught:
        parse(written)
    assert caught.value.reason == "InvalidImageName"


def test_only_loopback_registries_are_spoken_to_in_plain_http() -> None:
    assert parse("localhost:5000/a").is_loopback
    assert parse("127.0.0.1:5000/a").is_loopback
    assert not parse("localhost.example.com/a").is_loopback
    assert not parse("docker.io/localhost/a").is_loopback
