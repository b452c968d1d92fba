"""What the log says of an error: where it was, and nothing of the object that it was about."""

from __future__ import annotations

from kubette.apiserver.app import stack_of


def test_a_stack_shows_no_content() -> None:
    def parse(secret: str) -> int:
        return int(secret)

    try:
        try:
            parse("hunter2")
        except ValueError as e:
            raise KeyError("hunter2") from e
    except KeyError as e:
        text = stack_of(e)
    assert "hunter2" not in text.replace('parse("hunter2")', "").replace('KeyError("hunter2")', "")
    assert text.startswith("KeyError") and "caused by ValueError" in text and "in parse" in text
