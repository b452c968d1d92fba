"""SPDY/3.1: the codec against known bytes, and two ends of a session wired in memory."""

from __future__ import annotations

import asyncio
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubette.agent.streams import spdy
from kubette.agent.streams.session import Session


def test_the_dictionary_is_the_standards() -> None:
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


@given(st.lists(st.tuples(st.text("abc-", min_size=1), st.text()), max_size=5), st.binary(), st.integers(1, 7))
def test_frames_survive_any_cutting(pairs: list[tuple[str, str]], payload: bytes, step: int) -> None:
    headers = dict(pairs)
    out, into = spdy.Codec(), spdy.Codec()
    wire = (
        out.syn_stream(1, headers) + out.data(1, payload, fin=True) + out.syn_reply(2, headers)
        + out.reset(1, 5) + out.ping(3) + out.goaway(1) + out.window_update(1, 99)
    )  # fmt: skip
    events = [e for at in range(0, len(wire), step) for e in into.feed(wire[at : at + step])]
    assert events == [
        spdy.Syn(1, headers, False), spdy.Data(1, payload, True), spdy.Reply(2, headers, False),
        spdy.Reset(1, 5), spdy.Ping(3), spdy.GoAway(1), spdy.WindowUpdate(1, 99),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wire",
    [
        struct.pack(">HHI", 0x8002, 1, 0),  # SPDY/2
        struct.pack(">II", 1, 0xFFFFFF),  # a frame of 16 MiB
        struct.pack(">HHI", 0x8003, 1, 12) + b"\0\0\0\1\0\0\0\0\0\0xx",  # headers that are not zlib
        struct.pack(">HHI", 0x8003, 3, 2) + b"\0\0",  # too short
    ],
)
def test_a_peer_that_breaks_the_protocol(wire: bytes) -> None:
    with pytest.raises(spdy.ProtocolError):
        list(spdy.Codec().feed(wire))


def test_a_header_bomb_is_not_inflated() -> None:
    bomb = zlib.compressobj(zdict=spdy.DICTIONARY)
    block = bomb.compress(struct.pack(">I", 1) + b"\0" * (8 << 20)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    body = struct.pack(">IIBB", 1, 0, 0, 0) + block
    with pytest.raises(spdy.ProtocolError, match="too large"):
        list(spdy.Codec().feed(struct.pack(">HHI", 0x8003, 1, len(body)) + body))


def pair() -> tuple[Session, Session]:
    """A client's and a server's session, each feeding the other in the next turn of the loop."""
    loop = asyncio.get_running_loop()

    async def no_wait() -> None:
        return None

    client = Session(lambda d: void(loop.call_soon(lambda: server.feed(d))), no_wait, client=True)
    server = Session(lambda d: void(loop.call_soon(lambda: client.feed(d))), no_wait)
    return client, server


def void(_: object) -> None:
    return None


async def test_a_dialogue() -> None:
    client, server = pair()
    asked = client.open({"streamType": "stdin"})
    got = await server.accept()
    assert got is not None and got.headers == {"streamtype": "stdin"}
    await asked.write(b"question")
    assert await got.read() == b"question"
    asked.close()
    assert await got.read() == b""
    await got.write(b"answer")  # the other direction is still open
    got.close()
    assert await asked.read() == b"answer"
    assert await asked.read() == b""


async def test_a_peer_without_windows_is_sent_everything_and_one_with_them_is_not() -> None:
    client, server = pair()
    stream = client.open({})
    await asyncio.wait_for(stream.write(b"x" * 3 * spdy.INITIAL_WINDOW), 5)  # Go never answers with updates
    client, server = pair()
    stream = client.open({})
    other = await server.accept()
    assert other is not None
    server.send(server.codec.window_update(stream.id, 0))  # shows that it keeps windows
    await asyncio.sleep(0)
    writing = asyncio.create_task(stream.write(b"x" * 3 * spdy.INITIAL_WINDOW), name="writing")
    done, _ = await asyncio.wait({writing}, timeout=0.05)
    assert not done and stream.window == 0
    received = 0
    while received < 3 * spdy.INITIAL_WINDOW:
        received += len(await asyncio.wait_for(other.read(), 5))
    await asyncio.wait_for(writing, 5)


async def test_a_reader_that_is_slow_stops_the_carrier() -> None:
    pauses: list[bool] = []

    async def no_wait() -> None:
        return None

    server = Session(lambda d: None, no_wait, pause=pauses.append)
    codec = spdy.Codec()
    server.feed(codec.syn_stream(1, {}) + codec.data(1, b"x" * (600 << 10)))
    stream = await server.accept()
    assert stream is not None and pauses == [True]
    await stream.read()
    assert pauses == [True, False]


async def test_loss_ends_readers_and_writers() -> None:
    client, _ = pair()
    stream = client.open({})
    client.lost()
    assert await stream.read() == b""
    with pytest.raises(ConnectionResetError):
        await stream.write(b"x")
    assert await client.accept() is None
