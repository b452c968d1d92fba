"""Bodies of requests: what they stand for, and that nothing sent in malice costs more than an error."""

from __future__ import annotations

import pytest

from kubette.apiserver import bodies


def test_repeated_keys_are_told_for_strict_decoding() -> None:
    body = bodies.parse_yaml(b"a: 1\nb:\n  c: 2\n  c: 3\n")
    assert body.value == {"a": 1, "b": {"c": 3}}
    assert body.strict == ('yaml: unmarshal errors:\n  line 4: key "c" already set in map',)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "unexpected end of JSON input"),
        (b'{"a":', "unexpected end of JSON input"),
        (b"{a}", "invalid character 'a' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b"{} x", "invalid character 'x' after top-level value"),
        (b"nope", "invalid character 'n' looking for beginning of value"),
        (b'{"a":' * 100_000, "exceeded max depth|unexpected end"),
        (b"[" * 300 + b"]" * 300, "exceeded max depth"),
        (b"9" * 5000, "a number is out of range"),
        (b'{"a": -1e999}', "a number is out of range"),
        (b"[NaN]", "invalid character 'N' looking for beginning of value"),
    ],
)
def test_what_is_no_json_says_so_as_go_does(data: bytes, complaint: str) -> None:
    with pytest.raises(bodies.Malformed, match=complaint):
        bodies.parse_json(data)


def test_text_that_is_no_unicode_is_replaced_as_go_does() -> None:
    assert bodies.parse_json(rb'["\ud800", "\\ud800", "\ud83d\ude00", "\udc00x"]') == [
        "\ufffd", "\\ud800", "\U0001f600", "\ufffdx",
    ]  # fmt: skip
    assert bodies.parse_json(b'{"a": "\xff"}') == {"a": "\ufffd"}


def test_a_body_without_a_kind_is_shown_in_part() -> None:
    with pytest.raises(bodies.Malformed) as caught:
        bodies.parse_json(b'{"metadata":')
    error = bodies.unrecognized("Pod", b'{"metadata":', caught.value)
    assert error.message == (
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: "
        'unexpected end of JSON input ({"metadata":)'
    )
