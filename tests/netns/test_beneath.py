"""Paths below directories that somebody else changes all the time, on the real kernel."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubette.runtime import beneath, kernel
from kubette.runtime.interface import UNMEASURABLE, Usage

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts")

_SWAP = """
import ctypes, os, sys
directory = os.open(sys.argv[1], os.O_PATH)
rename = ctypes.CDLL(None).renameat2
print("ready", flush=True)
while True:
    rename(directory, b"x", directory, b"y", 2)  # RENAME_EXCHANGE
"""


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    volume = tmp_path / "volume"
    volume.mkdir()
    return volume


@contextlib.contextmanager
def swapping(volume: Path) -> Iterator[None]:
    """``x``, a directory, and ``y``, a link to another place, change places as fast as they can."""
    process = subprocess.Popen([sys.executable, "-c", _SWAP, str(volume)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("link", ["/etc", "../../outside", "/proc/self/root/etc"])
def test_a_link_that_is_swapped_in_never_leads_out(volume: Path, link: str) -> None:
    outside = volume.parent.parent / "outside"
    outside.mkdir(exist_ok=True)
    inside = volume / "x"
    inside.mkdir()
    (inside / "passwd").touch()
    (volume / "y").symlink_to(link)
    expected, right, refused = (inside / "passwd").stat().st_ino, 0, 0
    with beneath.directory(volume) as root, swapping(volume):
        while right < 200 or refused < 200:
            try:
                fd = beneath.open_beneath(root, "x/passwd", os.O_PATH)
            except (beneath.UnsafePath, FileNotFoundError):
                refused += 1
                continue
            assert os.fstat(fd).st_ino == expected
            os.close(fd)
            right += 1


def test_what_is_mounted_is_what_was_opened(volume: Path, tmp_path: Path) -> None:
    (volume / "x").mkdir()
    (volume / "x/mine").touch()
    (volume / "y").symlink_to("/etc")
    target, mounted = tmp_path / "target", 0
    with beneath.directory(volume) as root, swapping(volume):
        while mounted < 50:
            try:
                fd = beneath.make_directories(root, "x", 0o755)
            except beneath.UnsafePath:
                continue
            try:
                beneath.bind(fd, target)
            finally:
                os.close(fd)
            assert os.listdir(target) == ["mine"]
            mounted += 1
    kernel.unmount(target)


def test_no_directory_is_made_outside(volume: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (volume / "x").mkdir()
    (volume / "y").symlink_to("../outside")
    made = refused = 0
    with beneath.directory(volume) as root, swapping(volume):
        while made < 100 or refused < 100:
            try:
                os.close(beneath.make_directories(root, f"x/{made}/deeper", 0o777))
                made += 1
            except (beneath.UnsafePath, FileNotFoundError):
                refused += 1
    inside = volume / "y" if (volume / "x").is_symlink() else volume / "x"
    assert os.listdir(outside) == [] and len(os.listdir(inside)) == made


def test_directories_are_made_with_the_mode_asked_for(volume: Path) -> None:
    (volume / "inner").mkdir()
    (volume / "link").symlink_to("inner")
    with beneath.directory(volume) as root:
        os.close(beneath.make_directories(root, "link/a/b", 0o2777))
    assert [oct(p.stat().st_mode & 0o7777) for p in (volume / "inner/a", volume / "inner/a/b")] == ["0o2777"] * 2


def test_a_bound_file_is_replaced_by_a_directory(volume: Path, tmp_path: Path) -> None:
    (volume / "file").write_text("text")
    (volume / "dir").mkdir()
    target = tmp_path / "deep/target"
    with beneath.directory(volume) as root:
        for name in ("file", "dir", "file"):
            fd = beneath.open_beneath(root, name, os.O_PATH)
            beneath.bind(fd, target)
            os.close(fd)
    assert target.read_text() == "text"
    kernel.unmount(target)
    assert target.read_text() == ""


def test_usage_counts_blocks_and_no_file_twice(volume: Path, tmp_path: Path) -> None:
    (volume / "a").mkdir()
    (volume / "a/file").write_bytes(b"x" * 100_000)
    os.link(volume / "a/file", volume / "again")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/huge").write_bytes(b"x" * 1_000_000)
    (volume / "link").symlink_to(tmp_path / "other")
    (volume / "sparse").touch()
    os.truncate(volume / "sparse", 1 << 40)
    found = beneath.usage(volume)
    assert 100_000 <= found.bytes < 200_000 and found.inodes == 5
    assert beneath.usage(volume / "nowhere") == Usage()
    assert beneath.usage(volume / "a/file").bytes >= 100_000


def deep(top: Path, levels: int) -> None:
    """Directories one in the other, deeper than a path can name."""
    fd = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 50, dir_fd=fd)
        inner = os.open("d" * 50, os.O_RDONLY, dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
        os.close(fd)
        fd = inner
    os.close(fd)


def test_a_tree_deeper_than_paths_is_named_and_deleted(volume: Path) -> None:
    deep(volume, 300)
    assert beneath.usage(volume) == UNMEASURABLE
    beneath.remove_tree(volume)
    assert not volume.exists()
    beneath.remove_tree(volume)


def test_removal_stops_at_mounts_and_goes_on_beside_them(volume: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    for name in ("a/b/mounted", "a/b/c", "z"):
        (volume / name).mkdir(parents=True)
        (volume / name / "file").touch()
    kernel.mount(str(precious), volume / "a/b/mounted", flags=kernel.MS_BIND)
    with pytest.raises(OSError, match=r"busy|leads out"):
        beneath.remove_tree(volume)
    assert (precious / "file").exists()
    assert len([p for p in volume.rglob("*") if not p.is_mount()]) <= 3  # the way to the mount
    for point in kernel.mounts_below(volume):
        kernel.unmount(point)
    beneath.remove_tree(volume)
    assert not volume.exists() and (precious / "file").exists()


@pytest.mark.parametrize("name", ["plain", "a:b", "a,upperdir=b", "a\\b", "a b\n", "ä\\:"])
def test_no_path_is_an_overlay_option(tmp_path: Path, name: str) -> None:
    base = tmp_path / name
    for part in ("lower", "upper", "work", "root"):
        (base / part).mkdir(parents=True)
    (base / "lower/file").write_text("low")
    with beneath.directory(base / "lower") as lower:
        kernel.mount_overlay(base / "root", lower, base / "upper", base / "work", "kubette-test")
    assert os.listdir(base / "root") == ["file"] and "kubette-test" in kernel.mount_sources("overlay")
    (base / "root/new").touch()
    assert os.listdir(base / "upper") == ["new"]
    assert kernel.mounts_below(base) == [str(base / "root")]
    kernel.unmount(base / "root")
    assert kernel.mounts_below(base) == []


def test_a_kernel_without_openat2_is_said_so(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beneath, "_OPENAT2", 100_000)
    with beneath.directory(volume) as root, pytest.raises(OSError, match="not implemented"):
        beneath.open_beneath(root, "x", os.O_PATH)
