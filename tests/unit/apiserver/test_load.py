"""What requests may hold and answers may carry: beyond the bounds, 429, 413 and shorter warnings."""

from __future__ import annotations

import pytest

from kubette.api.errors import TooLarge, TooManyRequests
from kubette.api.patch import MAX_JSON_PATCH_OPERATIONS, json_patch
from kubette.apiserver.codec import warning_headers
from kubette.apiserver.load import Load

MEBIBYTE = 1 << 20


async def test_bodies_in_memory_are_bounded_for_each_user_and_for_all() -> None:
    load = Load()
    ann = load.share("ann")
    ann.hold(48 * MEBIBYTE)
    other = load.share("ann")
    with pytest.raises(TooManyRequests) as refused:
        other.hold(1)
    assert refused.value.details == {"retryAfterSeconds": 1}
    others = [load.share(name) for name in ("ben", "cid", "dot")]
    for share in others:
        share.hold(48 * MEBIBYTE)
    with pytest.raises(TooManyRequests):
        load.share("eve").hold(1)
    ann.release()
    other.hold(MEBIBYTE)
    other.hold(2 * MEBIBYTE)  # the body grows: only what is new counts
    load.share("eve").hold(46 * MEBIBYTE)
    with pytest.raises(TooManyRequests):
        load.share("eve").hold(1)
    load.close()


def test_warnings_are_cut_short_then_left_out() -> None:
    assert warning_headers(["a", "a", "", 'b"\\\r\nX: y']) == ['299 - "a"', '299 - "b\\"\\\\ X: y"']
    one = "w" * 4096
    assert warning_headers([one]) == [f'299 - "{one}"'], "it fits"
    cut = warning_headers([f"{n:03}" + "w" * 1000 for n in range(100)])
    assert [header[7:10] for header in cut] == [f"{n:03}" for n in range(16)]
    assert {len(header) for header in cut} == {256 + len('299 - ""')}


def test_a_json_patch_has_so_many_operations() -> None:
    operation = {"op": "test", "path": "/a", "value": 1}
    assert json_patch({"a": 1}, [operation] * 100) == {"a": 1}
    with pytest.raises(TooLarge, match="maximum operations in a JSON patch is 10000, got 10001"):
        json_patch({"a": 1}, [operation] * (MAX_JSON_PATCH_OPERATIONS + 1))
