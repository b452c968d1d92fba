"""Which Ingresses are to blame for a refused configuration, and what the search costs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kubette.ingress.isolation import culprits


class Check:
    """Refuses lists with a bad number, or with all numbers of ``together``."""

    def __init__(self, *bad: int, together: frozenset[int] = frozenset()) -> None:
        self.bad, self.together, self.asked = set(bad), together, 0

    async def __call__(self, some: Sequence[int]) -> str | None:
        self.asked += 1
        found = self.bad & set(some)
        if found:
            return f"{min(found)} is bad"
        return "too many" if self.together and self.together <= set(some) else None


async def search(check: Check, count: int, accepted: int = 0, checks: int = 100) -> dict[int, str]:
    return {item: why async for item, why in culprits(range(count), accepted, check, checks=checks)}


@pytest.mark.parametrize("bad", [(), (0,), (999,), (3, 500, 998)])
async def test_each_bad_item_is_found_with_its_reason(bad: tuple[int, ...]) -> None:
    check = Check(*bad)
    assert await search(check, 1000) == {n: f"{n} is bad" for n in bad}
    assert check.asked <= 2 + 12 * len(bad)


async def test_the_newest_of_a_thousand_costs_three_checks() -> None:
    check = Check(999)
    assert await search(check, 1000, accepted=999) == {999: "999 is bad"}
    assert check.asked == 3


async def test_of_items_that_are_bad_together_the_last_is_blamed() -> None:
    assert await search(Check(together=frozenset({2, 5, 7})), 10) == {7: "too many"}


async def test_accepted_items_that_are_not_any_more() -> None:
    assert await search(Check(1), 10, accepted=8) == {1: "1 is bad"}


async def test_the_number_of_checks_is_bounded_and_nobody_is_blamed_by_guess() -> None:
    check = Check(*range(0, 1000, 2))
    found = await search(check, 1000, checks=30)
    assert check.asked <= 31 and found and all(n % 2 == 0 for n in found)


async def test_nobody_is_blamed_when_an_empty_list_is_refused() -> None:
    class Never(Check):
        async def __call__(self, some: Sequence[int]) -> str | None:
            return "no port"

    assert await search(Never(), 10) == {}
