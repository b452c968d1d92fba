"""The image store's index: what is damaged is one clear failure, whatever the damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubette.runtime.images import ImageStore
from kubette.runtime.interface import ImageFailure


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", "7", "{}", '{"images": []}', '{"images": {"x": 1}, "unpinned": []}',
     '{"images": {"x": {"unknown": 1}}, "unpinned": []}', '{"images": {}, "unpinned": null}', "\0\0\0\0"],
)  # fmt: skip
async def test_a_damaged_index_is_named(tmp_path: Path, damage: str) -> None:
    store = ImageStore(tmp_path / "images")
    (tmp_path / "images/index.json").write_text(damage)
    with pytest.raises(ImageFailure, match=r"index\.json is damaged .* delete it and load the images again"):
        await store.list()
    with pytest.raises(ImageFailure, match="is damaged"):
        await store.resolve("busybox")
