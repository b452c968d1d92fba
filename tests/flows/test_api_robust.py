"""Heads, queries and patches of any bytes: no answer is a 500, whatever a client sends.

Raw bytes over a socket, as a client library would refuse to send most of these.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubette.apiserver.config import EdgeLimits
from kubette.testing.apiserver import Api, client_tls, serving

NS = "/api/v1/namespaces/default"
CM, PODS = f"{NS}/configmaps", f"{NS}/pods"
DIGITS = "9" * 5000  # Python refuses to read more than 4,300 digits
JSON_PATCH = "application/json-patch+json"
SERVICE: dict[str, Any] = {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "p", "port": 80}]}}
CONFIG_MAP: dict[str, Any] = {"metadata": {"name": "a"}, "data": {"k": "v"}}
POD: dict[str, Any] = {
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]},
}
NODE: dict[str, Any] = {
    "metadata": {"name": "n"},
    "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]},
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path, dialable=lambda address: True) as api:
        account = {"metadata": {"name": "default"}}
        await api.ok("POST", f"{NS}/serviceaccounts", account)
        for path, obj in (("/api/v1/nodes", NODE), (CM, CONFIG_MAP), (f"{NS}/services", SERVICE), (PODS, POD)):
            await api.ok("POST", path, obj)
        await api.ok(
            "PATCH", f"{PODS}/p/status", {"status": {"podIP": "127.0.0.1"}}, content_type="application/merge-patch+json"
        )
        yield api


class Wire:
    """A connection that is opened again when the server has closed it."""

    def __init__(self, api: Api) -> None:
        self._port, self._tls = api.port, client_tls(api.pki)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        """The answer's status and body; (0, b"") where the server closes instead."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls)
        reader, writer = self._streams
        try:
            async with asyncio.timeout(20):
                writer.write(data)
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
            if length is None or b"onnection: close" in head:
                self.close()
            return int(head.split(b" ", 2)[1]), body
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            self.close()
            return 0, b""

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def get(path: str | bytes, *headers: bytes) -> bytes:
    target = path.encode() if isinstance(path, str) else path
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: x", *headers, b"", b""])


def send(method: str, path: str, body: Any, kind: bytes = b"application/json", *headers: bytes) -> bytes:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [
        f"{method} {path} HTTP/1.1".encode(),
        b"Host: x",
        b"Content-Type: " + kind,
        f"Content-Length: {len(data)}".encode(),
        *headers,
        b"",
        data,
    ]
    return b"\r\n".join(lines)


def patch(*operations: Any) -> bytes:
    return send("PATCH", f"{CM}/a", list(operations), JSON_PATCH.encode())


def with_quantity(value: Any) -> bytes:
    container = {"name": "c", "image": "i", "resources": {"limits": {"memory": value, "cpu": value}}}
    return send("POST", PODS, {"metadata": {"name": "q"}, "spec": {"containers": [container]}})


#: Of a proxy whose backend is not there, and of a resourceVersion that is to come.
FROM_ELSEWHERE = (b'"reason":"ServiceUnavailable","code":503', b'"reason":"Timeout","code":504')
NOT_UTF8 = b"\xff\xfe\x80"
#: Headers that the server reads, and one that it does not.
READ = [
    b"Accept",
    b"Accept-Encoding",
    b"Authorization",
    b"Content-Type",
    b"Connection",
    b"Cookie",
    b"Host",
    b"If-None-Match",
    b"Impersonate-Extra-Scopes",
    b"Impersonate-Group",
    b"Impersonate-Uid",
    b"Impersonate-User",
    b"Origin",
    b"Upgrade",
    b"Sec-WebSocket-Key",
    b"Sec-WebSocket-Protocol",
    b"Transfer-Encoding",
    b"Content-Encoding",
    b"Expect",
    b"User-Agent",
    b"X-Forwarded-For",
    b"X-Stream-Protocol-Version",
    b"X-Unknown",
]
VALUES = {
    "not UTF-8": NOT_UTF8,
    "empty": b"",
    "a token of no UTF-8": b"Bearer a." + NOT_UTF8 + b".b",
    "separators": b';,;=,"\\',
    "endless digits": b"9" * 5000,
    "NUL": b"a\0b",
    "a tab": b"a\tb",
    "quality": b"application/json;q=" + b"9" * 5000,
    "an odd table": b"application/json;as=Table;v=\xff;g=meta.k8s.io",
    "a charset": b"application/json; charset=\xff",
    "a surrogate": "\ud800".encode(errors="surrogatepass"),
    "a JWT": b"Bearer e30.e30.e30",
    "numbers of a JWT": b"Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6OTk5fQ.e30.AAAA",
}
NUMBERS = {
    "endless": DIGITS,
    "negative and endless": "-" + DIGITS,
    "beyond 64 bits": str(1 << 64),
    "beyond 63": str(1 << 63),
    "an exponent": "1e999",
    "Infinity": "Infinity",
    "NaN": "NaN",
    "underlined": "1_0",
    "superscript": "%C2%B2",
    "of another script": "%D9%A3",
    "no UTF-8": "%ff",
    "NUL": "1%00",
    "no escape": "1%zz",
    "empty": "",
}
PARAMETERS = [
    f"{CM}?limit=",
    f"{CM}?resourceVersion=",
    f"{CM}?limit=1&resourceVersionMatch=Exact&resourceVersion=",
    f"{CM}?continue=",
    f"{CM}/a?resourceVersion=",
    f"{CM}?watch=1&resourceVersion=9&timeoutSeconds=",
    f"{CM}?watch=1&timeoutSeconds=1&resourceVersion=",
    f"{CM}?labelSelector=a%3E",
    f"{CM}?labelSelector=",
    f"{CM}?fieldSelector=metadata.name%3D",
    f"{CM}?fieldSelector=",
    f"{CM}?pretty=",
    f"{CM}?watch=",
    f"{CM}?includeObject=",
    f"{PODS}/p/log?tailLines=",
    f"{PODS}/p/log?limitBytes=",
    f"{PODS}/p/log?sinceSeconds=",
    f"{PODS}/p/log?sinceTime=",
    f"{PODS}/p/log?container=",
    f"{PODS}/p/log?stream=",
    f"{PODS}/p/portforward?ports=",
    f"{PODS}/p/exec?command=a&stdout=1&container=",
    f"{PODS}/p/exec?stdout=1&command=",
    f"{PODS}/p/attach?stdout=1&container=",
    f"{PODS}/p/proxy/?a=",
    f"{PODS}/p/proxy/",
    f"{PODS}/p:",
    f"{PODS}/http:p:",
    f"{NS}/services/s:",
    f"{NS}/services/https:s:",
    "/api/v1/nodes/n:",
    "/openapi/v3/api/v1?hash=",
    "/readyz?verbose=",
    "/apis/",
    "/api/",
    "/",
    "/apis/apps/v1/namespaces/",
    f"{NS}/",
    f"{CM}/",
    f"{CM}/a/",
    "/openapi/v3/",
    "/api/v1/watch/namespaces/",
    "/logs/",
    "/version?timeout=",
]
DELETES = ["gracePeriodSeconds", "propagationPolicy", "orphanDependents", "dryRun"]
PATCHES = {
    "no path": patch({"op": "add", "value": 1}),
    "no op": patch({"path": "/data/x", "value": "1"}),
    "nothing": patch({}),
    "no value": patch({"op": "add", "path": "/data/x"}),
    "no from": patch({"op": "copy", "path": "/data/x"}),
    "move without from": patch({"op": "move", "path": "/data/x"}),
    "test without value": patch({"op": "test", "path": "/data/k"}),
    "a number for path": patch({"op": "add", "path": 5, "value": 1}),
    "null for path": patch({"op": "remove", "path": None}),
    "a list for op": patch({"op": ["add"], "path": "/data/x", "value": 1}),
    "an unknown op": patch({"op": "eat", "path": "/data"}),
    "a number for from": patch({"op": "copy", "from": 5, "path": "/data/x"}),
    "no object": patch(5, "x", None, []),
    "no slash": patch({"op": "add", "path": "data", "value": 1}),
    "a bad escape": patch({"op": "add", "path": "/data/~9", "value": 1}),
    "the root": patch({"op": "remove", "path": ""}),
    "the root is replaced": patch({"op": "replace", "path": "", "value": 5}),
    "into text": patch({"op": "add", "path": "/data/k/x", "value": 1}),
    "remove from text": patch({"op": "remove", "path": "/data/k/x"}),
    "test in text": patch({"op": "test", "path": "/data/k/0/x", "value": 1}),
    "copy from text": patch({"op": "copy", "from": "/data/k/x", "path": "/data/z"}),
    "an endless index": patch(
        {"op": "add", "path": "/metadata/finalizers", "value": []},
        {"op": "add", "path": f"/metadata/finalizers/{DIGITS}", "value": "x"},
    ),
    "an index of another script": patch(
        {"op": "add", "path": "/metadata/finalizers", "value": ["a/b"]},
        {"op": "replace", "path": "/metadata/finalizers/²", "value": "x"},
    ),
    "below itself": patch({"op": "move", "from": "/data", "path": "/data/x"}),
    "metadata goes": patch({"op": "remove", "path": "/metadata"}),
    "metadata is text": patch({"op": "replace", "path": "/metadata", "value": "x"}),
    "no list": send("PATCH", f"{CM}/a", {"op": "add"}, JSON_PATCH.encode()),
    "null": send("PATCH", f"{CM}/a", b"null", JSON_PATCH.encode()),
    "a number": send("PATCH", f"{CM}/a", b"9" * 5000, JSON_PATCH.encode()),
}
BODIES = {
    "a control character in an unknown field": send("POST", CM, {"metadata": {"name": "w"}, "a\r\nX: y\0\x1b": 1}),
    "a surrogate in an unknown field": send("POST", CM, b'{"metadata":{"name":"x"},"\\ud800":1,"\xff":2}'),
    "a control character in a name": send("POST", CM, {"metadata": {"name": "a\r\n\0"}}),
    "a surrogate in a name": send("POST", CM, b'{"metadata":{"name":"\\udc00"}}'),
    "no UTF-8 in a content type": send("POST", CM, CONFIG_MAP, b"application/\xff"),
    "an endless number": send("POST", PODS, b'{"metadata":{"name":"n"},"spec":{"priority":' + b"9" * 5000 + b"}}"),
    "an endless number in YAML": send(
        "POST", PODS, b"metadata: {name: n}\nspec: {priority: " + b"9" * 5000 + b"}", b"application/yaml"
    ),
    "an endless length": b"POST "
    + CM.encode()
    + b" HTTP/1.1\r\nHost: x\r\nContent-Length: "
    + b"9" * 5000
    + b"\r\n\r\n",
    "an endless chunk": b"POST "
    + CM.encode()
    + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"f" * 5000
    + b"\r\n",
    "a quantity of endless digits": with_quantity(DIGITS),
    "a quantity with an endless exponent": with_quantity("1e" + DIGITS),
    "a quantity that is an endless number": send(
        "POST",
        PODS,
        b'{"metadata":{"name":"q"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":'
        + b"9" * 5000
        + b"}}}]}}",
    ),
    "a quantity of another script": with_quantity("٣"),
}
LINES = {
    "no HTTP": b"\x16\x03\x01\0\xff\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "an endless version": b"GET / HTTP/" + b"9" * 5000 + b"\r\n\r\n",
    "a method that nobody has": b"EAT / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute URL": get("http://[::1/api"),
    "an absolute URL with an odd port": get("http://x:" + DIGITS + "/api"),
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no UTF-8 in a path": get(b"/api/v1/\xff\xfe"),
    "no UTF-8 in a namespace": get(b"/api/v1/namespaces/\xff/pods/\xfe"),
    "no UTF-8 in a query": get(b"/api/v1/pods?labelSelector=\xff"),
    "an escape cut off": get(f"{CM}/%"),
    "an escape of NUL": get(f"{CM}/%00"),
    "an escape of CR and LF": get(f"{CM}/%0d%0aX:%20y"),
    "escaped slashes": get("/api/v1/namespaces/..%2f..%2f/pods/%2e%2e"),
    "an IPv6 zone": get("//[fe80::1%25eth0]:x/api"),
    "two slashes": get("//x:y:z/api/v1"),
    "a fragment": get("/api#\xff"),
    "many parameters": get(f"{CM}?" + "&".join(f"a{n}=" for n in range(20_000))),
}


def cases() -> dict[str, bytes]:
    out = {
        f"{name} in {header.decode()}": get(CM, header + b": " + value)
        for name, value in VALUES.items()
        for header in READ
    }
    out |= {
        f"{name} in {header.decode()} of a write": send(
            "POST", f"{CM}?dryRun=All", CONFIG_MAP, b"application/json", header + b": " + value
        )
        for name, value in VALUES.items()
        for header in READ
        if header not in (b"Expect", b"Content-Type")
    }
    for path in PARAMETERS:
        tail = "/proxy/" if path.endswith(":") else ""
        out |= {f"{name} in {path}": get(f"{path}{number}{tail}") for name, number in NUMBERS.items()}
    for name, number in NUMBERS.items():
        out |= {f"{name} in {p} of a delete": send("DELETE", f"{CM}/none?{p}={number}", b"") for p in DELETES}
    for name, number in {"endless": DIGITS, "infinite": "1e999", "beyond 64 bits": str(1 << 64), "text": '"x"'}.items():
        body = b'{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":%s}' % number.encode()
        out[f"{name} in gracePeriodSeconds of a body"] = send("DELETE", f"{PODS}/p?dryRun=All", body)
    return {**out, **PATCHES, **BODIES, **LINES}


async def test_no_answer_is_a_server_error(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire(api)
    wrong = {}
    for name, data in cases().items():
        status, body = await wire.ask(data)
        if status >= 500 and not any(words in body for words in FROM_ELSEWHERE):
            wrong[name] = (status, body[:200])
    wire.close()
    assert not wrong, wrong
    assert not [r for r in caplog.records if r.exc_info or r.levelname == "ERROR"], caplog.text
    assert await api.ok("GET", "/readyz") == b"ok"


_BYTES = st.binary(max_size=40).map(lambda data: re.sub(rb"[\r\n ]", b"+", data))
_PIECES = st.one_of(
    _BYTES, st.sampled_from([n.encode() for n in NUMBERS.values()]), st.sampled_from(list(VALUES.values()))
)
_NAMES = st.one_of(
    st.sampled_from([b"limit", b"continue", b"resourceVersion", b"labelSelector", b"fieldSelector", b"timeoutSeconds"]),
    _BYTES,
)
_PATHS = st.sampled_from(
    [CM, f"{CM}/a", f"{PODS}/p/log", f"{PODS}/p/proxy", "/apis", "/openapi/v3", "/readyz", "/api/v1/nodes"]
)


async def test_no_head_of_any_bytes_is_a_server_error(api: Api) -> None:
    """Examples are drawn beside the loop, and answered on it."""
    loop, wire = asyncio.get_running_loop(), Wire(api)

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(_PATHS, _PIECES, st.lists(st.tuples(_NAMES, _PIECES), max_size=3), st.sampled_from(READ), _PIECES)
    def ask(path: str, tail: bytes, query: list[tuple[bytes, bytes]], header: bytes, value: bytes) -> None:
        target = path.encode() + tail + b"?" + b"&".join(b"=".join(pair) for pair in query)
        data = get(target, header + b": " + value)
        status, body = asyncio.run_coroutine_threadsafe(wire.ask(data), loop).result(30)
        assert status < 500 or any(words in body for words in FROM_ELSEWHERE), (status, body)

    await asyncio.to_thread(ask)
    wire.close()


# ---- connections


async def connected(api: Api) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", api.port, ssl=client_tls(api.pki))


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes the connection, without a word."""
    try:
        async with asyncio.timeout(20):
            return await reader.read() == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET /readyz HTTP/1.1\r\nHost: "])
async def test_an_unfinished_head_ends_its_connection(tmp_path: Path, sent: bytes) -> None:
    async with serving(tmp_path, edge=EdgeLimits(head_seconds=0.2)) as api:
        reader, writer = await connected(api)
        writer.write(sent)
        assert await ended(reader)
        writer.close()


async def test_a_head_that_trickles_has_one_deadline(tmp_path: Path) -> None:
    async with serving(tmp_path, edge=EdgeLimits(head_seconds=0.5)) as api:
        reader, writer = await connected(api)
        writer.write(get("/readyz"))
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        end = asyncio.create_task(ended(reader), name="end")
        writer.write(b"GET /readyz HTTP/1.1\r\n")
        while not end.done():
            writer.write(b"A: b\r\n")
            await asyncio.wait({end}, timeout=0.05)
        assert await end
        writer.close()


async def test_an_idle_connection_ends_and_a_watch_does_not(tmp_path: Path) -> None:
    async with serving(tmp_path, edge=EdgeLimits(idle_seconds=0.3, head_seconds=0.3)) as api:
        async with api.watch(f"{CM}?watch=1") as events:
            reader, writer = await connected(api)
            writer.write(get("/readyz"))
            await reader.readuntil(b"ok")
            assert await ended(reader)
            writer.close()
            await api.ok("POST", CM, CONFIG_MAP)
            while (await events.get())["object"]["metadata"]["name"] != "a":
                continue


async def test_a_body_may_take_longer_than_a_head(tmp_path: Path) -> None:
    async with serving(tmp_path, edge=EdgeLimits(idle_seconds=0.2, head_seconds=0.2)) as api:
        reader, writer = await connected(api)
        data = send("POST", CM, CONFIG_MAP)
        other, closing = await connected(api)
        writer.write(data[:-5])
        assert await ended(other), "its time is up by now"
        writer.write(data[-5:])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201")
        writer.close()
        closing.close()


async def test_a_handshake_has_its_time(tmp_path: Path) -> None:
    async with serving(tmp_path, edge=EdgeLimits(handshake_seconds=0.2)) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        assert await ended(reader)
        writer.close()


async def test_an_address_holds_so_many_connections(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, edge=EdgeLimits(connections_per_address=3)) as api:
        held = [await connected(api) for _ in range(3)]
        for _ in range(2):
            reader, writer = await connected(api)
            assert await ended(reader)
            writer.close()
        assert len([r for r in caplog.records if "further ones are closed" in r.message]) == 1
        held.pop()[1].close()
        wire = Wire(api)
        async with asyncio.timeout(20):
            while (await wire.ask(get("/readyz")))[0] != 200:
                continue
        wire.close()
        for _, writer in held:
            writer.close()
