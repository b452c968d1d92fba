"""``grpc.health.v1.Health/Check`` over cleartext HTTP/2: the one call that gRPC probes make.

``h2`` speaks the protocol; it is imported at the first probe, so that a node without gRPC probes does not pay for it.
Its two messages have one field each and are written here. Worded as the kubelet's ``probe/grpc``. Source: the gRPC
health checking protocol and gRPC over HTTP/2.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import unquote

_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_CODES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
    "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
    "Internal", "Unavailable", "DataLoss", "Unauthenticated",
)  # fmt: skip
_MAX_ANSWER = 1 << 16
_READ = 1 << 14


class _Failed(Exception):
    """The peer does not speak HTTP/2, or ended the call."""


@dataclass(slots=True)
class _Call:
    """What came back. ``connected``: the peer has answered as an HTTP/2 server."""

    connected: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


async def check(host: str, port: int, service: str, timeout: float) -> tuple[bool, str]:
    """(healthy, what was wrong)."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    call = _Call()
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                await _exchange(call, reader, writer, target, service)
            finally:
                writer.close()
    except (TimeoutError, OSError, _Failed) as error:
        if not call.connected:  # upstream's client dials again until the time is over
            why = f"within {timeout:g}s: context deadline exceeded"
            return False, f'timeout: failed to connect service "{target}" {why}'
        if isinstance(error, TimeoutError):
            return False, f"timeout: health rpc did not complete within {timeout:g}s"
        return False, f"error: health rpc probe failed: rpc error: code = Unavailable desc = {error}"
    return outcome(call.headers, bytes(call.body))


def outcome(headers: dict[str, str], body: bytes) -> tuple[bool, str]:
    """What an answer means. ``headers``: with trailers; ``body``: a length-prefixed HealthCheckResponse."""
    text = headers.get("grpc-status", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 3 else 2
    words = unquote(headers.get("grpc-message", ""))
    if not text:
        words = f"unexpected HTTP status code received from server: {headers.get(':status', '')}"
    if _name(number) == "Unimplemented":
        what = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return False, f"error: {what}: {words}"
    if number:
        return False, f"error: health rpc probe failed: rpc error: code = {_name(number)} desc = {words}"
    state = status_of(body)
    if state is None:
        return False, "error: health rpc probe failed: rpc error: code = Internal desc = no message in the answer"
    if state != 1:
        return False, f'service unhealthy (responded with "{_STATES.get(state, state)}")'
    return True, "service healthy"


def _name(number: int) -> str:
    return _CODES[number] if number < len(_CODES) else f"Code({number})"


def request(service: str) -> bytes:
    """A length-prefixed HealthCheckRequest (``service``: field 1)."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\x00" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def status_of(body: bytes) -> int | None:
    """HealthCheckResponse.status (field 1, varint; absent: UNKNOWN). None: no whole message."""
    if len(body) < 5:
        return None
    message = body[5 : 5 + int.from_bytes(body[1:5], "big")]
    if len(message) < int.from_bytes(body[1:5], "big"):
        return None
    return message[1] if len(message) >= 2 and message[0] == 0x08 else 0


async def _exchange(
    call: _Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, service: str
) -> None:
    """Send the request and take the answer in, up to the end of its stream."""
    from h2 import events
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.exceptions import H2Error

    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    connection.send_headers(stream, _headers(target))
    connection.send_data(stream, request(service), end_stream=True)
    writer.write(connection.data_to_send())
    while data := await reader.read(_READ):
        try:
            found = connection.receive_data(data)
        except (H2Error, UnicodeDecodeError) as error:
            raise _Failed(f"error reading from server: {error}") from error
        for event in found:
            match event:
                case events.RemoteSettingsChanged():
                    call.connected = True
                case events.ResponseReceived() | events.TrailersReceived():
                    call.headers.update((str(k), str(v)) for k, v in event.headers or ())
                case events.DataReceived():
                    call.body += event.data or b""
                    if len(call.body) > _MAX_ANSWER:
                        raise _Failed("the answer is too long")
                case events.StreamEnded():
                    return
                case events.StreamReset() | events.ConnectionTerminated():
                    raise _Failed(f"the stream was ended with error code {event.error_code}")
        writer.write(connection.data_to_send())
    raise _Failed("error reading from server: EOF")


def _headers(target: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", target),
        ("content-type", "application/grpc"),
        ("user-agent", "kube-probe/1.36"),
        ("te", "trailers"),
    ]
