"""Which Ingresses make HAProxy refuse a configuration: a search with few checks, so that the others can be served.

No I/O of its own: ``refusal`` runs the check.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def culprits(
    items: Sequence[T],
    accepted: int,
    refusal: Callable[[Sequence[T]], Awaitable[str | None]],
    *,
    checks: int,
) -> AsyncIterator[tuple[T, str]]:
    """Items that must go for the rest to be accepted, each with the reason, at the cost of at most ``checks`` checks.

    The first ``accepted`` items are believed to be accepted together; of two items that only together are refused, the
    later one is blamed. Nothing is blamed when not even an empty list is accepted. ``refusal``: why a list is refused,
    or None.
    """
    rest, left = list(items), checks

    async def check(count: int) -> str | None:
        nonlocal left
        left -= 1
        return await refusal(rest[:count])

    low = accepted
    while low and left > 0 and await check(low) is not None:
        low = 0
    if not low and await check(0) is not None:
        return
    while left > 0:
        high = len(rest)
        why = await check(high)
        if why is None:
            return
        while high - low > 1 and left > 0:
            middle = (low + high) // 2
            found = await check(middle)
            low, high, why = (middle, high, why) if found is None else (low, middle, found)
        if high - low > 1:
            return
        yield rest.pop(high - 1), why
