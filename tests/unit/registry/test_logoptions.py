"""Log options that make no sense, in upstream's words."""

from __future__ import annotations

import pytest

from kubette.api.errors import BadRequest
from kubette.apiserver.logoptions import problems


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"tailLines": "0", "limitBytes": "1", "sinceSeconds": "1", "stream": ""}, []),
        ({"sinceTime": "2026-01-01T00:00:00.123456789Z", "stream": "Stderr"}, []),
        ({"tailLines": "-1"}, ["tailLines: Invalid value: -1: must be greater than or equal to 0"]),
        ({"limitBytes": "0"}, ["limitBytes: Invalid value: 0: must be greater than 0"]),
        ({"sinceSeconds": "0"}, ["sinceSeconds: Invalid value: 0: must be greater than 0"]),
        ({"sinceSeconds": "1", "sinceTime": "2026-01-01T00:00:00Z"},
         ["Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"]),
        ({"stream": "both"}, ['stream: Unsupported value: "both": supported values: "All", "Stderr", "Stdout"']),
        ({"stream": "Stdout", "tailLines": "1"},
         ["Forbidden: `tailLines` and specific `stream` are mutually exclusive for now"]),
    ],
)  # fmt: skip
def test_what_is_refused(query: dict[str, str], words: list[str]) -> None:
    found = [str(p) for p in problems(query)]
    assert len(found) == len(words) and all(text.endswith(w) for text, w in zip(found, words, strict=True)), found


@pytest.mark.parametrize("query", [{"tailLines": "x"}, {"sinceTime": "yesterday"}])
def test_what_cannot_be_read(query: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        problems(query)
