"""What a client sees of a log: times, pieces of lines, tails over rotated files, limits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kubette.agent.logs import Options, View, last_lines, parse, read


async def _dead() -> bool:
    return False


async def text(log: Path, options: Options) -> str:
    return b"".join([piece async for piece in read(log, options, _dead)]).decode()


@pytest.mark.parametrize(
    ("written", "shown", "seconds"),
    [
        ("2026-01-02T03:04:05.123456789+00:00", "2026-01-02T03:04:05.123456789Z", 1767323045.123456),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z", 1767323045.123456),
        ("2026-01-02T05:04:05.5+02:00", "2026-01-02T05:04:05.500000000+02:00", 1767323045.5),
        ("2026-01-01T22:04:05.000000001-05:00", "2026-01-01T22:04:05.000000001-05:00", 1767323045.0),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z", 1767323045.0),
    ],
)
def test_times_are_shown_as_the_kubelet_shows_them(written: str, shown: str, seconds: float) -> None:
    line = parse(f"{written} stdout F x".encode())
    assert line is not None and (line.stamp(), line.seconds()) == (shown, pytest.approx(seconds, abs=1e-6))


def test_a_line_in_pieces_has_one_time() -> None:
    at = "2026-01-01T00:00:00.00000000{}Z"
    lines = [f"{at.format(n)} stdout {tag} {words}".encode() for n, tag, words in
             ((1, "P", "a"), (2, "P", "b"), (3, "F", "c"), (4, "F", ""), (5, "F", "d"))]  # fmt: skip
    view = View(Options(timestamps=True))
    assert view.of(lines[:2]) + view.of(lines[2:]) == (
        f"{at.format(1)} abc\n{at.format(4)} \n{at.format(5)} d\n".encode()
    )


def test_the_limit_cuts_in_the_middle_of_a_line() -> None:
    view = View(Options(limit_bytes=5))
    assert view.of([b"2026-01-01T00:00:00Z stdout F one", b"2026-01-01T00:00:00Z stdout F two"]) == b"one\nt"
    assert view.full and view.of([b"2026-01-01T00:00:00Z stdout F three"]) == b""


async def test_a_tail_reaches_into_rotated_files(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    for name, words in (("0.log.20260101-1", "a b c"), ("0.log.20260101-2", "d e"), ("0.log", "f g")):
        (tmp_path / name).write_text("".join(f"2026-01-01T00:00:00Z stdout F {w}\n" for w in words.split()))
    for count in range(9):
        assert (await text(log, Options(tail=count))).split() == list("abcdefg")[max(0, 7 - count) :]
    log.unlink()  # just renamed, and nothing written since
    assert await text(log, Options(tail=2)) == "d\ne\n"


@pytest.mark.parametrize("seed", range(20))
def test_where_the_last_lines_begin(tmp_path: Path, seed: int) -> None:
    """Against counting from the front, with lines longer than what is read at a time."""
    chance = random.Random(seed)
    whole: list[str] = [""]
    for n in range(chance.randrange(1, 60)):
        partial = chance.random() < 0.3
        size = chance.choice((0, 3, 70_000))
        whole[-1] += f"2026-01-01T00:00:00Z stdout {'P' if partial else 'F'} {n}{'x' * size}\n"
        if not partial:
            whole.append("")
    log = tmp_path / "0.log"
    log.write_text("".join(whole))
    *ended, unfinished = whole
    for count in (1, 2, 5, 30, 100):
        offset, seen = last_lines(log, count)
        assert seen == min(count, len(ended))
        assert log.read_bytes()[offset:].decode() == "".join([*ended[-count:], unfinished])
