"""The sockets: UDP, where most questions are answered from ready bytes, and TCP for long answers.

One thread, one loop. A question for other servers becomes a task. What one client may occupy is bounded: its waiting
questions over UDP, its TCP connections, and the time of each. Nothing here knows what a name means.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from array import array
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from kubette.dns import wire
from kubette.dns.connections import Connection, Connections
from kubette.dns.resolver import Resolver

log = logging.getLogger(__name__)

_BATCH = 64  # datagrams in one turn of the loop
_CONNECTIONS, _CONNECTIONS_PER_CLIENT = 256, 32
_WAITING, _WAITING_PER_CLIENT = 2048, 128  # questions over UDP that wait for other servers
_IDLE = 10.0  # seconds for a question to come in, and for an answer to be taken
_QUERY = 10.0  # seconds for an answer to be found
_BUFFER = 1 << 20
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; the socket module lacks it


def _drop_long_datagrams(sock: socket.socket) -> None:
    """Have the kernel drop datagrams longer than the size that this server advertises (RFC 6891).

    A few padded ones would otherwise fill the receive buffer, which all clients share. Source: socket(7),
    SO_ATTACH_FILTER; a length counts the UDP header."""
    load_length, jump_greater, accept, drop = (0x80, 0, 0, 0), (0x25, 1, 0, wire.OUR_UDP_SIZE + 8), 0xFFFFFFFF, 0
    program = (load_length, jump_greater, (0x06, 0, 0, accept), (0x06, 0, 0, drop))
    code = array("B", b"".join(struct.pack("HBBI", *row) for row in program))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), code.buffer_info()[0]))


class Server:
    """Serves a resolver. ``port`` is known after ``start``, also when 0 was asked for."""

    def __init__(self, resolver: Resolver) -> None:
        self.port = 0
        self.ready_hits = 0
        self.udp = self.tcp = 0  # questions that needed more than a look-up; questions over TCP
        self._resolver = resolver
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._waiting: set[asyncio.Task[None]] = set()
        self._waiting_of: Counter[str] = Counter()  # client → its questions that wait
        self._connections = Connections(
            self._connection, "dns-tcp", limit=_CONNECTIONS, per_client=_CONNECTIONS_PER_CLIENT
        )

    async def start(self, addresses: Sequence[str], port: int) -> None:
        """Listen. OSError when no address can be had, or one for another reason than a missing family."""
        loop = asyncio.get_running_loop()
        self.port = port
        for address in addresses:
            try:
                udp, tcp = self._bind(address)
            except OSError as error:
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) or address != "::":
                    raise
                continue
            self._sockets.append(udp)
            loop.add_reader(udp.fileno(), self._readable, udp)
            self._servers.append(await asyncio.start_server(self._connections.accept, sock=tcp, limit=1 << 16))
        if not self._sockets:
            raise OSError(errno.EADDRNOTAVAIL, f"no address of {', '.join(addresses)} can be listened on")

    def _bind(self, address: str) -> tuple[socket.socket, socket.socket]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            tcp = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            udp.close()
            raise
        try:
            for sock in (udp, tcp):
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            _drop_long_datagrams(udp)
            tcp.bind((address, self.port))
            self.port = tcp.getsockname()[1]
            udp.bind((address, self.port))
        except OSError:
            udp.close()
            tcp.close()
            raise
        return udp, tcp

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock.fileno())
            sock.close()
        for server in self._servers:
            server.close()
        await self._connections.close()
        tasks = list(self._waiting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _readable(self, sock: socket.socket) -> None:
        """The hot path: receive, look up, put the ID before, send."""
        receive, send, find = sock.recvfrom, sock.sendto, self._resolver.ready.get
        for _ in range(_BATCH):
            try:
                data, peer = receive(4096)
            except BlockingIOError:
                return
            except OSError as error:  # of an earlier send
                log.debug("receiving: %s", error)
                continue
            ready = find(data[2:])
            if ready is None:
                self._question(sock, data, peer)
                continue
            if not isinstance(ready, bytes):
                ready.rotate()
                ready = ready[0]
            try:
                send(data[:2] + ready, peer)
            except OSError:  # a full buffer is a lost datagram: its client asks again
                pass
            self.ready_hits += 1

    def _question(self, sock: socket.socket, data: bytes, peer: Any) -> None:
        self.udp += 1
        try:
            answer = self._resolver.answer(data, tcp=False)
        except Exception:  # a fault in one question must not stop the others
            log.exception("a question of %s", peer[0])
            return
        if isinstance(answer, bytes):
            with suppress(OSError):
                sock.sendto(answer, peer)
        elif answer is not None and (
            len(self._waiting) >= _WAITING or self._waiting_of[peer[0]] >= _WAITING_PER_CLIENT
        ):
            answer.close()
        elif answer is not None:
            task = asyncio.get_running_loop().create_task(self._later(sock, answer, peer), name="dns-question")
            self._waiting.add(task)
            self._waiting_of[peer[0]] += 1
            task.add_done_callback(lambda done: self._answered(done, peer[0]))

    def _answered(self, task: asyncio.Task[None], client: str) -> None:
        self._waiting.discard(task)
        self._waiting_of[client] -= 1
        if not self._waiting_of[client]:
            del self._waiting_of[client]

    async def _later(self, sock: socket.socket, answer: Coroutine[Any, Any, bytes], peer: Any) -> None:
        try:
            async with asyncio.timeout(_QUERY):
                data = await answer
            with suppress(OSError):
                sock.sendto(data, peer)
        except TimeoutError:
            return
        except Exception:
            log.exception("a question of %s", peer[0])

    async def _connection(self, connection: Connection) -> None:
        reader, writer = connection.reader, connection.writer
        try:
            while True:
                async with asyncio.timeout(_IDLE):
                    data = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                self.tcp += 1
                with connection.working():
                    async with asyncio.timeout(_QUERY):
                        answer = self._resolver.answer(data, tcp=True)
                        if answer is not None and not isinstance(answer, bytes):
                            answer = await answer
                if answer is None:
                    return
                writer.write(len(answer).to_bytes(2, "big") + answer)
                async with asyncio.timeout(_IDLE):
                    await writer.drain()
        except (OSError, EOFError, TimeoutError):
            return
