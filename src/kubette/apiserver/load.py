"""What requests may cost at once: bytes of bodies in memory, and work that is too long for the event loop.

Work on a large body runs in one thread while the loop answers other requests: Python changes threads every 5 ms. One
such request at a time has its turn, so that one decoded body is in memory; the others wait with their bytes, whose sum
is bounded for each user and for all. Beyond that a request is answered 429 and its client tries again.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

from kubette.api.errors import TooManyRequests

#: Bytes that are handled on the loop at once: what the slowest decoder and validation do in some 50 ms.
INLINE = 64 << 10
_OF_ONE_USER = 48 << 20
_OF_ALL = 192 << 20
_PATIENCE = 60.0  # seconds until the turn, or until the loop answers the thread
_T = TypeVar("_T")


class Load:
    """One server's. ``close`` ends its thread."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._total = 0
        self._turn = asyncio.Semaphore(1)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="large-requests")
        self._thread, self._loop = threading.get_ident(), asyncio.get_running_loop()

    def share(self, user: str) -> Share:
        return Share(self, user)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def on_loop(self, target: _T) -> _T:
        """A stand-in for ``target`` whose methods may be called by the thread, too: they run on the loop."""
        return cast(_T, _OnLoop(target, self._thread, self._loop))


class Share:
    """What one request takes. ``release`` when it is answered."""

    __slots__ = ("_bytes", "_has_turn", "_load", "_user")

    def __init__(self, load: Load, user: str) -> None:
        self._load, self._user, self._bytes, self._has_turn = load, user, 0, False

    def hold(self, total: int) -> None:
        """Hold ``total`` bytes of a body. Raises TooManyRequests."""
        size, load = total - self._bytes, self._load
        held = load._held.get(self._user, 0)
        if held + size > _OF_ONE_USER or load._total + size > _OF_ALL:
            raise _busy()
        load._held[self._user] = held + size
        load._total += size
        self._bytes += size

    async def run(self, weight: int, work: Callable[[], _T]) -> _T:
        """``work()``, at once or in the thread as its weight, in bytes, says."""
        if weight <= INLINE:
            return work()
        load = self._load
        if not self._has_turn:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await load._turn.acquire()
            except TimeoutError:
                raise _busy() from None
            self._has_turn = True
        return await load._loop.run_in_executor(load._pool, _without_collections, work)

    def release(self) -> None:
        load = self._load
        if self._bytes:
            left = load._held[self._user] - self._bytes
            if left:
                load._held[self._user] = left
            else:
                del load._held[self._user]
            load._total -= self._bytes
            self._bytes = 0
        if self._has_turn:
            self._has_turn = False
            load._turn.release()


def _without_collections(work: Callable[[], _T]) -> _T:
    """A garbage collection would walk the large tree, which has no cycles, in one step that holds every thread."""
    if not gc.isenabled():
        return work()
    gc.disable()
    try:
        return work()
    finally:
        gc.enable()


def _busy() -> TooManyRequests:
    why = "too many large requests are being handled, please try again later"
    return TooManyRequests(why, details={"retryAfterSeconds": 1})


class _OnLoop:
    """See ``Load.on_loop``. What a method yields is collected there."""

    def __init__(self, target: Any, thread: int, loop: asyncio.AbstractEventLoop) -> None:
        self._target, self._thread, self._loop = target, thread, loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._calling(found) if callable(found) else found

    def _calling(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if threading.get_ident() == self._thread:
                return method(*args, **named)
            done: Future[Any] = Future()

            def on_loop() -> None:
                try:
                    result = method(*args, **named)
                    done.set_result(list(result) if isinstance(result, Iterator) else result)
                except BaseException as e:
                    done.set_exception(e)

            self._loop.call_soon_threadsafe(on_loop)
            return done.result(_PATIENCE)

        return call
