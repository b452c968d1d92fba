"""Bodies that nobody should send: each is answered, in its client's terms, and the server serves on."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from kubette.api import protobuf
from kubette.testing.apiserver import Api, serving

CM = "/api/v1/namespaces/default/configmaps"
REVISIONS = "/apis/apps/v1/namespaces/default/controllerrevisions"
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


def revision(depth: int) -> bytes:
    """An object with a field that may hold anything, and holds a lot of levels."""
    head = b'{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"deep"},"revision":1,"data":'
    return head + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


def bomb() -> bytes:
    lines = ["apiVersion: v1", "kind: ConfigMap", "metadata: {name: bomb}", "data:", "  a0: &a0 [x, x, x, x, x]"]
    lines += [f"  a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 8)}]" for n in range(9)]
    return "\n".join(lines).encode()


SMALL = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
WHOLE = protobuf.encode_envelope(SMALL)

BAD = {
    "nothing": (CM, JSON, b"", "couldn't get version/kind; json parse error"),
    "a list": (CM, JSON, b"[]", "cannot unmarshal array into Go value"),
    "a body that is compressed": (CM, JSON, gzip.compress(b"{}"), "json parse error"),
    "JSON deeper than can be stored": (REVISIONS, JSON, revision(600), "exceeded max depth"),
    "JSON deeper than Python recurses": (REVISIONS, JSON, revision(1015), "exceeded max depth"),
    "JSON deeper than is parsed": (REVISIONS, JSON, revision(100_000), "exceeded max depth"),
    "deep JSON without a kind": (CM, JSON, b'{"a":' * 600 + b"1" + b"}" * 600, "exceeded max depth"),
    "aliases that multiply": (CM, YAML, bomb(), "document contains excessive aliasing"),
    "a key that occurs twice": (
        CM + "?fieldValidation=Strict", YAML, b"{apiVersion: v1, kind: ConfigMap, data: {k: a, k: b}}",
        'strict decoding error: yaml: unmarshal errors:\n  line 1: key "k" already set in map',
    ),
    "protobuf without its magic": (CM, PROTOBUF, orjson.dumps(SMALL), "expected prefix 6b 38 73 00"),
    "protobuf cut off": (CM, PROTOBUF, WHOLE[:-6], "unable to decode protobuf"),
    "protobuf of all bytes": (CM, PROTOBUF, b"k8s\0" + bytes(range(256)), "unable to decode protobuf"),
    "protobuf of another kind": (
        CM, PROTOBUF, protobuf.encode_envelope({**SMALL, "kind": "Secret"}), "cannot be handled as a ConfigMap",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
async def test_is_a_bad_request(api: Api, case: str) -> None:
    path, media, body, why = BAD[case]
    code, status = await api.call("POST", path, body, content_type=media)
    assert (code, status["reason"]) == (400, "BadRequest") and why in status["message"], status
    assert await api.ok("GET", "/readyz") == b"ok"


async def test_no_body_at_all_is_an_object_without_a_name(api: Api) -> None:
    """Kind and version come from the URL; upstream's decoder reads null as nothing said."""
    for media, body in ((JSON, b"null"), (YAML, b""), (YAML, b"null")):
        code, status = await api.call("POST", CM, body, content_type=media)
        assert code == 422 and status["details"]["causes"][0]["field"] == "metadata.name", status


async def test_an_encoding_that_is_only_said_changes_nothing(api: Api) -> None:
    """Upstream does not read Content-Encoding: the body is what it is."""
    for encoding in ("gzip", "br", "nonsense"):
        made = await api.ok("POST", CM + "?dryRun=All", SMALL, content_encoding=encoding)
        assert made["metadata"]["name"] == "a"
