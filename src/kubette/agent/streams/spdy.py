"""SPDY/3.1 frames, bytes in and bytes out; no I/O. Both ends use the same codec.

Source: draft-mbelshe-httpbis-spdy-00 as amended by SPDY/3.1. Kubernetes clients older than 1.30, and
port-forward to this day, speak it (``moby/spdystream``).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

INITIAL_WINDOW = 64 * 1024
MAX_FRAME = 4 << 20
_MAX_HEADERS = 256 * 1024
_VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FLAG_FIN = 1
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
_SETTINGS_INITIAL_WINDOW = 7

_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges "
    "age allow authorization cache-control connection content-base content-encoding content-language "
    "content-length content-location content-md5 content-range content-type date etag expect expires from "
    "host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location "
    "max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer "
    "transfer-encoding upgrade user-agent vary via warning www-authenticate method get status|200 OK|version|"
    "HTTP/1.1|url public set-cookie keep-alive origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words: list[str] = []
    for part in _NAMES.split("|"):
        words += [part] if part == "200 OK" else part.split()
    return b"".join(struct.pack(">I", len(w)) + w.encode() for w in words) + _TAIL.encode()


DICTIONARY = _dictionary()


class ProtocolError(Exception):
    """The peer sent what no SPDY/3.1 peer may send; the connection is over."""


@dataclass(frozen=True, slots=True)
class Syn:
    """A stream that the peer opens."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class Reply:
    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last_stream: int


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """``stream`` 0: the connection's window."""

    stream: int
    delta: int


@dataclass(frozen=True, slots=True)
class InitialWindow:
    size: int


Event = Syn | Reply | Data | Reset | Ping | GoAway | WindowUpdate | InitialWindow


class Codec:
    """One end's codec: the header compression of each direction is one zlib stream a connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._compress = zlib.compressobj(zdict=DICTIONARY)
        self._decompress = zlib.decompressobj(zdict=DICTIONARY)

    # --- out -----------------------------------------------------------------------------------------

    def syn_stream(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        body = struct.pack(">IIBB", stream, 0, 0, 0) + self._pack_headers(headers)
        return _control(SYN_STREAM, FLAG_FIN if fin else 0, body)

    def syn_reply(self, stream: int, headers: Mapping[str, str]) -> bytes:
        return _control(SYN_REPLY, 0, struct.pack(">I", stream) + self._pack_headers(headers))

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        return struct.pack(">II", stream, (FLAG_FIN if fin else 0) << 24 | len(data)) + data

    def reset(self, stream: int, status: int) -> bytes:
        return _control(RST_STREAM, 0, struct.pack(">II", stream, status))

    def ping(self, number: int) -> bytes:
        return _control(PING, 0, struct.pack(">I", number))

    def goaway(self, last_stream: int, status: int = 0) -> bytes:
        return _control(GOAWAY, 0, struct.pack(">II", last_stream, status))

    def window_update(self, stream: int, delta: int) -> bytes:
        return _control(WINDOW_UPDATE, 0, struct.pack(">II", stream, delta))

    # --- in ------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> Iterator[Event]:
        """Events of the frames that are complete with these bytes. Iterate to the end."""
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            flags, size = second >> 24, second & 0xFFFFFF
            if size > MAX_FRAME:
                raise ProtocolError(f"frame of {size} bytes")
            if len(self._buffer) < 8 + size:
                return
            body = bytes(self._buffer[8 : 8 + size])
            del self._buffer[: 8 + size]
            if not first >> 31:
                yield Data(first, body, bool(flags & FLAG_FIN))
            else:
                if first >> 16 & 0x7FFF != _VERSION:
                    raise ProtocolError(f"SPDY version {first >> 16 & 0x7FFF}")
                try:
                    event = self._parse(first & 0xFFFF, flags, body)
                except (struct.error, zlib.error, UnicodeDecodeError) as e:
                    raise ProtocolError(f"malformed frame: {e}") from e
                if event is not None:
                    yield event

    def _parse(self, kind: int, flags: int, body: bytes) -> Event | None:
        fin = bool(flags & FLAG_FIN)
        if kind == SYN_STREAM:
            (stream,) = struct.unpack_from(">I", body)
            return Syn(stream & 0x7FFFFFFF, self._unpack_headers(body[10:]), fin)
        if kind == SYN_REPLY:
            (stream,) = struct.unpack_from(">I", body)
            return Reply(stream & 0x7FFFFFFF, self._unpack_headers(body[4:]), fin)
        if kind == HEADERS:
            (stream,) = struct.unpack_from(">I", body)
            self._unpack_headers(body[4:])  # to keep the compression state; nobody sends meaning in them
            return Data(stream & 0x7FFFFFFF, b"", fin)
        if kind == RST_STREAM:
            stream, status = struct.unpack_from(">II", body)
            return Reset(stream & 0x7FFFFFFF, status)
        if kind == PING:
            return Ping(*struct.unpack_from(">I", body))
        if kind == GOAWAY:
            return GoAway(struct.unpack_from(">I", body)[0] & 0x7FFFFFFF)
        if kind == WINDOW_UPDATE:
            stream, delta = struct.unpack_from(">II", body)
            return WindowUpdate(stream & 0x7FFFFFFF, delta & 0x7FFFFFFF)
        if kind == SETTINGS:
            (count,) = struct.unpack_from(">I", body)
            for at in range(4, min(4 + 8 * count, len(body)), 8):
                key, value = struct.unpack_from(">II", body, at)
                if key & 0xFFFFFF == _SETTINGS_INITIAL_WINDOW:
                    return InitialWindow(value & 0x7FFFFFFF)
        return None  # a frame of a kind unknown is ignored (section 2.2.1)

    def _pack_headers(self, headers: Mapping[str, str]) -> bytes:
        out = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                out += struct.pack(">I", len(text)) + text
        return self._compress.compress(out) + self._compress.flush(zlib.Z_SYNC_FLUSH)

    def _unpack_headers(self, block: bytes) -> dict[str, str]:
        data = self._decompress.decompress(block, _MAX_HEADERS)
        if self._decompress.unconsumed_tail:
            raise ProtocolError("header block too large")
        (count,) = struct.unpack_from(">I", data)
        at, out = 4, {}
        for _ in range(count):
            pair = []
            for _ in range(2):
                (size,) = struct.unpack_from(">I", data, at)
                if at + 4 + size > len(data):
                    raise ProtocolError("header block too short")
                pair.append(data[at + 4 : at + 4 + size].decode())
                at += 4 + size
            out[pair[0].lower()] = pair[1]
        return out


def _control(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | _VERSION, kind, flags << 24 | len(body)) + body
