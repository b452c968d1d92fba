"""What the worst request of each kind may cost others: no decoder, merge or check holds the event loop.

The bound is processor time of the whole process between two turns of the loop: other load on the machine does not
count.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import orjson
import pytest

from kubette.testing.apiserver import Api, serving

MEBIBYTES_3 = 3 << 20
BOUND = 0.25  # seconds
CM = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class Stall:
    """The longest time that the loop did not turn."""

    worst = 0.0

    async def watch(self) -> None:
        last = time.process_time()
        while True:
            await asyncio.sleep(0.005)
            now = time.process_time()
            self.worst = max(self.worst, now - last)
            last = now


@contextlib.asynccontextmanager
async def stall() -> AsyncIterator[Stall]:
    found = Stall()
    task = asyncio.create_task(found.watch(), name="stall")
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


def filled(head: bytes, item: Callable[[int], bytes], tail: bytes, size: int = MEBIBYTES_3) -> bytes:
    """``head``, as many items as fit into ``size``, ``tail``."""

    def items() -> Iterator[bytes]:
        left, n = size - len(head) - len(tail) - 400, 0
        while left > 0:
            text = item(n)
            left -= len(text)
            n += 1
            yield text

    return head + b"".join(items()).rstrip(b",") + tail


def obj(kind: str, rest: str, name: str = "a") -> bytes:
    return f'{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"{name}"}},{rest}'.encode()


YAML_HEAD = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
CREATES: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "JSON of lists": (CM, JSON, lambda: filled(b'{"a":[', lambda _: b"[],", b"]}")),
    "JSON of objects": (CM, JSON, lambda: filled(obj("ConfigMap", '"data":{'), lambda n: b'"k%d":"",' % n, b"}}")),
    "JSON of repeated keys": (CM, JSON, lambda: filled(obj("ConfigMap", '"data":{'), lambda _: b'"k":"",', b"}}")),
    "JSON of unknown fields": (CM, JSON, lambda: filled(obj("ConfigMap", '"x":0,'), lambda n: b'"k%d":0,' % n, b"}")),
    "JSON that ends early": (CM, JSON, lambda: filled(b"", lambda _: b'{"a":[', b"")),
    "JSON of digits": (CM, JSON, lambda: obj("ConfigMap", '"data":{"a":') + b"9" * (MEBIBYTES_3 - 200) + b"}}"),
    "JSON that is no text": (CM, JSON, lambda: obj("ConfigMap", '"data":{"a":"') + b"\xff" * 1_000_000 + b'"}}'),
    "containers": (PODS, JSON, lambda: filled(
        obj("Pod", '"spec":{"containers":['), lambda n: b'{"name":"c%d","image":"i"},' % n, b"]}}")),
    "containers that are wrong": (PODS, JSON, lambda: filled(
        obj("Pod", '"spec":{"containers":['), lambda n: b'{"name":"?"},', b"]}}")),
    "volumes": (PODS, JSON, lambda: filled(
        obj("Pod", '"spec":{"containers":[{"name":"a","image":"i"}],"volumes":['),
        lambda n: b'{"name":"v%d"},' % n, b"]}}")),
    "environment": (PODS, JSON, lambda: filled(
        obj("Pod", '"spec":{"containers":[{"name":"a","image":"i","env":['),
        lambda n: b'{"name":"v%d"},' % n, b"]}]}}")),
    "tolerations": (PODS, JSON, lambda: filled(
        obj("Pod", '"spec":{"containers":[{"name":"a","image":"i"}],"tolerations":['),
        lambda n: b'{"key":"k%d"},' % n, b"]}}")),
    "service ports": (SERVICES, JSON, lambda: filled(
        obj("Service", '"spec":{"ports":['), lambda n: b'{"name":"p%d","port":%d},' % (n, n), b"]}}")),
    "labels": (CM, JSON, lambda: filled(
        b'{"metadata":{"name":"a","labels":{', lambda n: b'"l%d":"",' % n, b"}}}")),
    "finalizers": (CM, JSON, lambda: filled(
        b'{"metadata":{"name":"a","finalizers":[', lambda n: b'"a/%d",' % n, b"]}}")),
    "owners": (CM, JSON, lambda: filled(
        b'{"metadata":{"name":"a","ownerReferences":[',
        lambda n: b'{"apiVersion":"v1","kind":"Pod","name":"p","uid":"%d"},' % n, b"]}}")),
    "managed fields": (CM, JSON, lambda: filled(
        b'{"metadata":{"name":"a","managedFields":[', lambda n: b'{"fieldsV1":{"f:%d":{}}},' % n, b"]}}")),
    "YAML lists": (CM, YAML, lambda: filled(b"[", lambda _: b"a,", b"]")),
    "YAML maps": (CM, YAML, lambda: filled(YAML_HEAD, lambda n: b" k%d: v\n" % n, b"")),
    "YAML nesting": (CM, YAML, lambda: b"[" * MEBIBYTES_3),
    "YAML base 60": (CM, YAML, lambda: YAML_HEAD + b" a: " + b"1:" * 1_500_000 + b"1"),
    "YAML digits": (CM, YAML, lambda: YAML_HEAD + b" a: " + b"9" * 3_000_000),
    "YAML directives": (CM, YAML, lambda: filled(b"", lambda n: b"%%TAG !a%d! x\n" % n, b"--- a")),
    "protobuf of nothing": (CM, PROTOBUF, lambda: b"k8s\0" + b"\x12\xfe\xff\xbf\x01" + b"\x0a\0" * 1_500_000),
    "protobuf of bytes": (CM, PROTOBUF, lambda: b"k8s\0" + b"\xff" * 3_000_000),
    "protobuf of configuration": (CM, PROTOBUF, lambda: _protobuf(b"\x12\0" * 1_400_000)),
    "protobuf of packed varints": (CM, PROTOBUF, lambda: _protobuf(b"\x08" + b"\x80" * 2_800_000)),
    "role": ("/apis/rbac.authorization.k8s.io/v1/clusterroles", JSON, lambda: filled(
        b'{"metadata":{"name":"a"},"rules":[',
        lambda n: b'{"verbs":["v%d"],"apiGroups":[""],"resources":["r"]},' % n, b"]}")),
    "a token": ("/apis/authentication.k8s.io/v1/tokenreviews", JSON, lambda: (
        b'{"spec":{"token":"' + b"a." * 1_500_000 + b'"}}')),
}  # fmt: skip


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _protobuf(raw: bytes) -> bytes:
    kind = b"\x0a\x02v1\x12\x09ConfigMap"
    return b"k8s\0\x0a" + _varint(len(kind)) + kind + b"\x12" + _varint(len(raw)) + raw


@pytest.mark.parametrize("case", CREATES)
async def test_a_create(api: Api, case: str) -> None:
    path, media, body = CREATES[case]
    await _bounded(api, "POST", path + "?dryRun=All", body(), media)


async def _bounded(api: Api, method: str, path: str, body: bytes, media: str) -> None:
    assert len(body) <= MEBIBYTES_3
    async with stall() as found:
        code, status = await api.call(method, path, body, content_type=media)
    assert code < 500, status
    assert found.worst < BOUND
    assert await api.ok("GET", "/readyz") == b"ok"


PATCHES: dict[str, tuple[str, str, bytes, Callable[[], bytes]]] = {
    "JSON patch of additions": (CM, JSON_PATCH, obj("ConfigMap", '"data":{}}'), lambda: filled(
        b"[", lambda n: b'{"op":"add","path":"/data/k%d","value":"%s"},' % (n, b"x" * 260), b"]")),
    "JSON patch of too many operations": (CM, JSON_PATCH, obj("ConfigMap", '"data":{}}'), lambda: filled(
        b"[", lambda n: b'{"op":"add","path":"/data/k%d","value":""},' % n, b"]")),
    "JSON patch of copies": (CM, JSON_PATCH, obj("ConfigMap", '"data":{"a":"x"}}'), lambda: filled(
        b"[", lambda n: b'{"op":"copy","from":"/data","path":"/data/d%d"},' % n, b"]", 300_000)),
    "JSON patch of a long path": (CM, JSON_PATCH, obj("ConfigMap", '"data":{}}'), lambda: (
        b'[{"op":"add","value":"","path":"' + b"/a" * 1_500_000 + b'"}]')),
    "strategic merge of deletions": (SERVICES, STRATEGIC, obj("Service", '"spec":{"ports":[{"port":1}]}}'),
        lambda: filled(b'{"spec":{"ports":[', lambda n: b'{"$patch":"delete","port":%d},' % n, b"]}}")),
    "strategic merge that retains keys": (CM, STRATEGIC, obj("ConfigMap", '"data":{}}'), lambda: (
        b'{"data":{"$retainKeys":[%s],%s}}' % (
            b",".join(b'"%d"' % n for n in range(150_000)), b",".join(b'"%d":""' % n for n in range(150_000))))),
}  # fmt: skip


@pytest.mark.parametrize("case", PATCHES)
async def test_a_patch(api: Api, case: str) -> None:
    path, media, before, body = PATCHES[case]
    await api.ok("POST", path, orjson.loads(before))
    await _bounded(api, "PATCH", path + "/a", body(), media)
