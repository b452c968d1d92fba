"""Whatever a server does, the client raises an ApiError, and the cause is chained."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubette.api.errors import ApiError, ServiceUnavailable
from kubette.api.kinds import resource
from kubette.client.config import ClientConfig
from kubette.client.http import Client

PODS = resource("pods")
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"

#: What the server writes before it closes the connection.
ANSWERS = {
    "nothing": b"",
    "no HTTP": b"\x15\x03\x01\0\x02\x02\x50" * 10,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "a bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "a huge header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "a truncated body": _OK + b"Content-Length: 100\r\n\r\n{}",
    "a truncated chunk": _CHUNKED + b"ff\r\n{}",
    "a bad chunk size": _CHUNKED + b"zz\r\n{}\r\n",
    "bad JSON": _OK + b"Content-Length: 5\r\n\r\n{nope",
    "text that is not UTF-8": _OK + b"Content-Length: 4\r\n\r\n\"\xff\xfe\"",
    "a list": _OK + b"Content-Length: 2\r\n\r\n[]",
    "bad compression": _OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "a redirect without end": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
    "a bad error": b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\n{nope",
    "a truncated error": b"HTTP/1.1 500 No\r\nContent-Length: 50\r\n\r\n{",
    "an error of another type": b"HTTP/1.1 500 No\r\nContent-Length: 14\r\n\r\n{\"code\":\"xyz\"}",
}  # fmt: skip
EVENTS = {
    "a truncated event": _CHUNKED + b'8\r\n{"type":\r\n',
    "bad JSON": _CHUNKED + b"6\r\n{nope\n\r\n",
    "no object": _CHUNKED + b"3\r\n{}\n\r\n",
    "a list": _CHUNKED + b"3\r\n[]\n\r\n",
    "an error without a status": _CHUNKED + b'1e\r\n{"type":"ERROR","object":null}\n\r\n'.replace(b"1e", b"1f"),
    "an error with a bad code": _CHUNKED + b'27\r\n{"type":"ERROR","object":{"code":"x"}}\n\r\n',
}


@contextlib.asynccontextmanager
async def serving(answer: bytes, reset: bool = False, silent: bool = False) -> AsyncIterator[str]:
    """A server that reads a request's head, writes ``answer`` and closes, or resets, the connection."""

    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            if silent:
                await reader.read()  # until the client goes
            if reset:
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        for task in tasks:
            assert task is not None
            await asyncio.wait_for(task, 20)


async def watch(client: Client) -> None:
    async for _ in client.watch(PODS, resource_version="1"):
        pass


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_broken_answer(answer: str, reset: bool) -> None:
    async with serving(ANSWERS[answer], reset) as url, Client(ClientConfig(url)) as client:
        with pytest.raises(ApiError) as caught:
            await client.get(PODS, "a", "default")
    assert caught.value.__cause__ is not None or answer == "a list"


@pytest.mark.parametrize("answer", EVENTS)
async def test_a_broken_watch(answer: str) -> None:
    async with serving(EVENTS[answer]) as url, Client(ClientConfig(url)) as client:
        with pytest.raises(ServiceUnavailable) as caught:
            await watch(client)
    assert caught.value.__cause__ is not None


async def test_a_watch_that_is_reset() -> None:
    async with serving(_CHUNKED, reset=True) as url, Client(ClientConfig(url)) as client:
        with pytest.raises(ServiceUnavailable):
            await watch(client)


@pytest.mark.parametrize("url", ["http://name.invalid", "http://127.0.0.1:1", "https://PORT"])
async def test_a_server_that_is_not_there(url: str) -> None:
    """No such name, a refused connection, and a server that does not speak TLS."""
    async with serving(b"plain") as plain:
        url = url.replace("https://PORT", plain.replace("http", "https"))
        async with Client(ClientConfig(url)) as client:
            with pytest.raises(ServiceUnavailable) as caught:
                await client.list(PODS)
    assert caught.value.__cause__ is not None


async def test_a_server_that_does_not_answer() -> None:
    async with serving(b"HTTP/1.1 100 Continue\r\n\r\n", silent=True) as url, Client(ClientConfig(url)) as client:
        with pytest.raises(ServiceUnavailable) as caught:
            await client.request("GET", "/x", timeout=0.05)
    assert isinstance(caught.value.__cause__, TimeoutError)


async def test_a_token_file_that_is_gone(tmp_path: Path) -> None:
    async with Client(ClientConfig("http://127.0.0.1:1", token_file=tmp_path / "none")) as client:
        with pytest.raises(ServiceUnavailable):
            await client.list(PODS)
