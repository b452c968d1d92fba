"""SPDY streams as things to read from and write to, over any carrier of bytes.

The carrier (a taken-over connection, or WebSocket messages) gives bytes to ``feed`` and takes them by
``write``; ``drain`` waits while it is congested. Go's spdystream neither sends nor obeys window updates, so a
window limits writing only for a peer that has shown that it keeps windows; reading is limited for all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from kubette.agent.streams import spdy

_CHUNK = 32 * 1024
_UNREAD_LIMIT = 512 * 1024  # over all streams: then the carrier is not read from


class Stream:
    """One stream. ``read`` gives b"" at its end; writing after a reset or loss raises ConnectionError."""

    def __init__(self, session: Session, number: int, headers: Mapping[str, str]) -> None:
        self.id = number
        self.headers = headers
        self._session = session
        self._chunks: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self.received_fin = False
        self.sent_fin = False
        self.broken = False
        self.window = session.initial_window
        self._unacknowledged = 0
        self._discards = False

    async def read(self) -> bytes:
        """The next bytes as they came, b"" after the peer's FIN, a reset, or the connection's end."""
        while not self._chunks:
            if self.received_fin or self.broken:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = self._chunks.popleft()
        self._consumed(len(data))
        return data

    def _consumed(self, size: int) -> None:
        self._session.consumed(size)
        self._unacknowledged += size
        if self._unacknowledged >= spdy.INITIAL_WINDOW // 2 and not self.received_fin:
            self._session.acknowledge(self.id, self._unacknowledged)
            self._unacknowledged = 0

    def discard(self) -> None:
        """Take what has come and what will come, unread: the peer can send to its end, and see ours."""
        self._discards = True
        while self._chunks:
            self._consumed(len(self._chunks.popleft()))

    async def write(self, data: bytes) -> None:
        """Send all of it, as windows and carrier allow."""
        view = memoryview(data)
        while view:
            await self._session.drain()
            while self._session.keeps_windows and self.window <= 0 and not self.broken:
                self._changed.clear()
                await self._changed.wait()
            if self.broken or self.sent_fin:
                raise ConnectionResetError("the stream is closed")
            size = min(len(view), _CHUNK)
            if self._session.keeps_windows:
                size = min(size, self.window)
            self._session.send(self._session.codec.data(self.id, bytes(view[:size])))
            self.window -= size
            view = view[size:]

    def close(self) -> None:
        """FIN: nothing more will be written."""
        if not self.sent_fin and not self.broken:
            self.sent_fin = True
            self._session.send(self._session.codec.data(self.id, b"", fin=True))
            self._session.forget(self)

    def reset(self, status: int = spdy.CANCEL) -> None:
        """Abandon both directions."""
        if not self.broken and not (self.sent_fin and self.received_fin):
            self._session.send(self._session.codec.reset(self.id, status))
        self.lost()
        self._session.forget(self)

    def feed(self, data: bytes, fin: bool) -> None:
        if self._discards:
            self._consumed(len(data))
        elif data and not self.received_fin:
            self._chunks.append(data)
        self.received_fin = self.received_fin or fin
        self._changed.set()

    def widen(self, delta: int) -> None:
        self.window += delta
        self._changed.set()

    def lost(self) -> None:
        self.broken = True
        self._changed.set()


class Session:
    """A connection's streams; ``client`` says which end this is (clients open odd streams)."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        drain: Callable[[], Awaitable[None]],
        *,
        client: bool = False,
        pause: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self.codec = spdy.Codec()
        self.initial_window = spdy.INITIAL_WINDOW
        self.keeps_windows = False
        self.closed = asyncio.Event()
        self.drain = drain
        self._write = write
        self._pause = pause
        self._client = client
        self._streams: dict[int, Stream] = {}
        self._incoming: asyncio.Queue[Stream | None] = asyncio.Queue()
        self._next = 1 if client else 2
        self._last_peer = 0
        self._unread = 0
        self._paused = False

    def open(self, headers: Mapping[str, str]) -> Stream:
        """A new stream of ours."""
        stream = Stream(self, self._next, headers)
        self._next += 2
        self._streams[stream.id] = stream
        self.send(self.codec.syn_stream(stream.id, headers))
        return stream

    async def accept(self) -> Stream | None:
        """The next stream that the peer opened, already replied to; None when the connection has ended."""
        if self.closed.is_set() and self._incoming.empty():
            return None
        return await self._incoming.get()

    def feed(self, data: bytes) -> None:
        """Bytes from the carrier. A peer that breaks the protocol is told goodbye."""
        try:
            for event in self.codec.feed(data):
                self._on(event)
        except spdy.ProtocolError:
            self.goaway(1)
            self.lost()

    def _on(self, event: spdy.Event) -> None:
        if isinstance(event, spdy.Data):
            self._on_data(event)
        elif isinstance(event, spdy.Syn):
            self._on_syn(event)
        elif isinstance(event, spdy.Reset):
            if stream := self._streams.pop(event.stream, None):
                stream.lost()
        elif isinstance(event, spdy.Ping):
            if event.id % 2 != (1 if self._client else 0):
                self.send(self.codec.ping(event.id))
        elif isinstance(event, spdy.WindowUpdate):
            self.keeps_windows = True
            if stream := self._streams.get(event.stream):
                stream.widen(event.delta)
        elif isinstance(event, spdy.InitialWindow):
            self.keeps_windows = True
            for stream in self._streams.values():
                stream.widen(event.size - self.initial_window)
            self.initial_window = event.size

    def _on_syn(self, event: spdy.Syn) -> None:
        if event.stream <= self._last_peer or event.stream % 2 == (1 if self._client else 0):
            self.send(self.codec.reset(event.stream, spdy.PROTOCOL_ERROR))
            return
        self._last_peer = event.stream
        stream = Stream(self, event.stream, event.headers)
        self._streams[stream.id] = stream
        self.send(self.codec.syn_reply(stream.id, {}))
        if event.fin:
            stream.feed(b"", True)
        self._incoming.put_nowait(stream)

    def _on_data(self, event: spdy.Data) -> None:
        stream = self._streams.get(event.stream)
        if stream is None or stream.received_fin:
            if event.data and event.stream > max(self._last_peer, self._next):
                self.send(self.codec.reset(event.stream, spdy.INVALID_STREAM))
            return
        self._unread += len(event.data)
        stream.feed(event.data, event.fin)
        if event.fin:
            self.forget(stream)
        if self._unread > _UNREAD_LIMIT and not self._paused:
            self._paused = True
            self._pause(True)

    def consumed(self, size: int) -> None:
        self._unread -= size
        if self._paused and self._unread < _UNREAD_LIMIT // 2:
            self._paused = False
            self._pause(False)

    def acknowledge(self, stream: int, size: int) -> None:
        if not self.closed.is_set():
            self.send(self.codec.window_update(stream, size))

    def forget(self, stream: Stream) -> None:
        if stream.broken or (stream.sent_fin and stream.received_fin):
            self._streams.pop(stream.id, None)

    def send(self, data: bytes) -> None:
        if not self.closed.is_set():
            self._write(data)

    def goaway(self, status: int = 0) -> None:
        """Tell the peer that no new streams are wanted; a Go peer closes once its streams have ended."""
        self.send(self.codec.goaway(self._last_peer, status))

    def lost(self) -> None:
        """The carrier has ended: every reader sees the end, every writer an error."""
        self.closed.set()
        for stream in self._streams.values():
            stream.lost()
        self._streams.clear()
        self._incoming.put_nowait(None)
