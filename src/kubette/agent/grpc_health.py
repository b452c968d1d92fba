"""``grpc.health.v1.Health/Check`` over cleartext HTTP/2, with just the frames that one unary call needs.

The request's headers are sent as HPACK literals without indexing; of the answer only DATA matters, so no
header is ever decoded. Sources: RFC 9113, RFC 7541 section 6.2.2, the gRPC health checking protocol.
"""

from __future__ import annotations

import asyncio
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 1, 1, 4, 8
_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_MAX_FRAME = 1 << 20


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header field without indexing, new name, no Huffman code; strings shorter than 127 bytes."""
    return b"\x00" + b"".join(bytes([len(s)]) + s.encode() for s in (name, value))


def request(authority: str, service: str) -> bytes:
    """All that the client sends."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": authority,
        "content-type": "application/grpc",
        "user-agent": "kube-probe/1.36",
        "te": "trailers",
    }
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""  # HealthCheckRequest.service = 1
    body = b"\x00" + struct.pack(">I", len(message)) + message
    headers = b"".join(_literal(k, v) for k, v in fields.items())
    return (
        _PREFACE
        + frame(_SETTINGS, 0, 0)
        + frame(_HEADERS, _END_HEADERS, 1, headers)
        + frame(_DATA, _END_STREAM, 1, body)
    )


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def state_of(body: bytes) -> int | None:
    """HealthCheckResponse.status (field 1, varint; absent: UNKNOWN). None: no whole message."""
    if len(body) < 5:
        return None
    size = struct.unpack(">I", body[1:5])[0]
    message = body[5 : 5 + size]
    if len(message) < size:
        return None
    return message[1] if len(message) >= 2 and message[0] == 0x08 else 0


async def check(host: str, port: int, service: str, timeout: float) -> tuple[bool, str]:
    """(healthy, what was wrong)."""
    target = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request(target, service))
                state = state_of(await _body(reader, writer))
            finally:
                writer.close()
    except (TimeoutError, ConnectionRefusedError):  # upstream's client dials again until the time is over
        return False, f'timeout: failed to connect service "{target}" within {timeout:g}s: context deadline exceeded'
    except (OSError, asyncio.IncompleteReadError) as error:
        return False, f'error: failed to connect service at "{target}": {error}'
    if state is None:
        return False, f'error: health rpc probe failed: the server at "{target}" gave no answer'
    if state != 1:
        return False, f'service unhealthy (responded with "{_STATES.get(state, state)}")'
    return True, "service healthy"


async def _body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The DATA of stream 1, up to its end."""
    body = b""
    while True:
        head = await reader.readexactly(9)
        size = int.from_bytes(head[:3], "big")
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if size > _MAX_FRAME:
            return body
        payload = await reader.readexactly(size)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            writer.write(frame(_PING, _ACK, 0, payload))
        elif kind == _DATA and stream == 1:
            body += payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
        elif kind in (_RST_STREAM, _GOAWAY):
            return body
        if stream == 1 and kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            return body
