"""Whether a process listens where a packet arrives: the sockets of a network namespace, as the kernel lists them.

``parse`` and ``check`` are pure; ``sockets`` reads /proc/net of the thread's namespace. Source: proc_pid_net(5).
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kubette.trace.report import Landing, Trace
from kubette.trace.ways import protocol

_FILES = {6: ("tcp", "tcp6"), 17: ("udp", "udp6")}
_LISTENING = {6: "0A", 17: "07"}  # LISTEN; UDP sockets without a peer
_REFUSED = {6: "reset", 17: "unreachable"}
_ANY = ("0.0.0.0", "::")
_MOST = 8  # ports that are listed


@dataclass(frozen=True, slots=True, order=True)
class Socket:
    """``address`` is text, ``0.0.0.0`` or ``::`` for every address."""

    port: int
    address: str


def sockets(proto: int) -> list[Socket]:
    """The listening sockets of the calling thread's network namespace. OSError."""
    out: list[Socket] = []
    for name in _FILES[proto]:
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            out += parse(Path(f"/proc/thread-self/net/{name}").read_text(), proto)
    return out


def parse(text: str, proto: int) -> Iterator[Socket]:
    """The listening sockets in a file of /proc/net."""
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == _LISTENING[proto]:
            address, _, port = words[1].partition(":")
            yield Socket(int(port, 16), _address(address))


def _address(digits: str) -> str:
    """The kernel writes each 32-bit word in the byte order of the host; kubette's hosts are little-endian."""
    raw = b"".join(bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8))
    ip = ipaddress.ip_address(raw)
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def check(trace: Trace, proto: int, read: Callable[[Landing], Iterable[Socket] | None]) -> None:
    """Turn landings where no process listens into refusals, with the reason.

    ``read``: the listening sockets at a landing; None where they are unknown."""
    if proto not in _FILES:
        return
    out = []
    for end in trace.landings:
        found = read(end) if end.fate in ("pod", "node") else None
        why = None if found is None else _refusal(end, proto, sorted(set(found)))
        if why:
            trace.because(why[1])
            note = f"{_owner(end)}: {why[0]}"
            end = dataclasses.replace(end, fate=_REFUSED[proto], note=note)
        out.append(end)
    trace.landings = out


def _refusal(end: Landing, proto: int, found: list[Socket]) -> tuple[str, str] | None:
    """(note, reason) when no socket takes what is sent to the landing."""
    word, owner = protocol(proto).upper(), _owner(end)
    own = [s.address for s in found if s.port == end.port]
    if any(_takes(address, end.address) for address in own):
        return None
    if own and all(ipaddress.ip_address(a).is_loopback for a in own):
        return (
            "listens on loopback only",
            f"{owner} listens on {' and '.join(own)} only for {word} port {end.port}, so that only its own processes "
            "reach it: make the program listen on 0.0.0.0 or ::",
        )
    if own:
        return "listens on another address", f"{owner} listens on {' and '.join(own)} only for {word} port {end.port}"
    ports = sorted({s.port for s in found if not ipaddress.ip_address(s.address).is_loopback})
    listed = ", ".join(map(str, ports[:_MOST])) + (", …" if len(ports) > _MOST else "")
    others = f"it listens on {listed}" if ports else f"it listens on no {word} port"
    return "nothing listens there", f"nothing listens on {word} port {end.port} in {owner}; {others}"


def _takes(listening: str, address: str) -> bool:
    """Whether a socket takes packets to the address. ``::`` takes IPv4 too, unless the program forbade it."""
    return listening == address or (listening in _ANY and (listening == "::" or ":" not in address))


def _owner(end: Landing) -> str:
    return f"pod {end.pod}" if end.pod else f"node {end.node}"
