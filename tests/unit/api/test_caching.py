"""Caches bounded by entries and bytes."""

from __future__ import annotations

from kubette.api.caching import Cache, cached_short


def test_the_entry_unused_for_longest_goes_first() -> None:
    cache = Cache[str, int](entries=2, total=100, each=100)
    cache.put("a", 1, 1)
    cache.put("b", 2, 1)
    assert cache.get("a") == 1
    cache.put("c", 3, 1)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_bytes_are_bounded() -> None:
    cache = Cache[str, int](entries=100, total=100, each=60)
    for key in "abcdef":
        cache.put(key, 0, 30)
    assert len(cache) == 3 and cache.bytes == 90
    cache.put("f", 1, 10)  # replaces the older one
    assert cache.get("f") == 1 and cache.bytes == 70
    cache.put("large", 1, 61)
    assert cache.get("large") is None and cache.bytes == 70
    cache.clear()
    assert len(cache) == 0 and cache.bytes == 0


def test_long_texts_are_not_kept() -> None:
    seen = []

    @cached_short(10, 3)
    def length(text: str) -> int:
        seen.append(text)
        return len(text)

    assert [length(t) for t in ("abc", "abc", "abcd", "abcd")] == [3, 3, 4, 4]
    assert seen == ["abc", "abcd", "abcd"]
