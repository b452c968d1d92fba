"""``subPath`` of a volume that containers change meanwhile (CVE-2021-25741), on the real kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubette.agent.container_spec import volume_mounts
from kubette.agent.volumes.base import VolumeAt, VolumeError
from kubette.runtime import kernel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts")

_SWAP = """
import ctypes, os, sys
directory, rename = os.open(sys.argv[1], os.O_PATH), ctypes.CDLL(None).renameat2
print("ready", flush=True)
while True:
    rename(directory, b"x", directory, b"y", 2)  # RENAME_EXCHANGE
"""


class Pod:
    def __init__(self, base: Path) -> None:
        self.volume, self.bound = base / "volume", base / "pod/volume-subpaths"
        self.volume.mkdir()
        self.volume.chmod(0o2775)

    def mount(self, sub_path: str, **more: Any) -> Path:
        row = {"name": "v", "mountPath": "/v", "subPath": sub_path, **more}
        container = {"name": "c", "volumeMounts": [row]}
        (mount,) = volume_mounts(container, {"v": VolumeAt(self.volume)}, {"A": "a"}, self.bound)
        return mount.source


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    pod = Pod(tmp_path)
    yield pod
    for point in kernel.mounts_below(tmp_path):
        kernel.unmount(point)


def test_a_missing_path_is_made_as_the_volume_is(pod: Pod) -> None:
    source = pod.mount("a/b")
    (source / "file").touch()
    assert (pod.volume / "a/b/file").exists()
    assert source == pod.bound / "v/c/0" and kernel.mounts_below(pod.bound) == [str(source)]
    assert [(pod.volume / p).stat().st_mode & 0o7777 for p in ("a", "a/b")] == [0o2775] * 2
    assert pod.mount("", subPathExpr="$(A)/b").joinpath("file").exists()


def test_a_path_may_be_a_file_or_a_link_within(pod: Pod) -> None:
    (pod.volume / "..data").mkdir()
    (pod.volume / "..data/key").write_text("value")
    (pod.volume / "key").symlink_to("..data/key")
    assert pod.mount("key").read_text() == "value"


def test_a_later_start_sees_what_is_there_then(pod: Pod) -> None:
    assert pod.mount("a").is_dir()
    (pod.volume / "a").rmdir()
    (pod.volume / "a").write_text("a file by now")
    assert pod.mount("a").read_text() == "a file by now"
    assert len(kernel.mounts_below(pod.bound)) == 1


@pytest.mark.parametrize("link", ["/etc", "../../../../../../etc", "/proc/self/root/etc", "/nonexistent", "out"])
def test_a_link_out_of_the_volume_is_refused(pod: Pod, link: str) -> None:
    (pod.volume / "out").symlink_to(link)
    for path in ("out", "out/new"):
        with pytest.raises(VolumeError, match=r'^failed to prepare subPath for volumeMount "v" of container "c"$'):
            pod.mount(path)
    assert kernel.mounts_below(pod.bound) == [] and not Path("/etc/new").exists()


@pytest.mark.parametrize(
    ("path", "words"), [("/x", "must not be an absolute path"), ("../x", "must not contain"), ("a/../../x", "contain")]
)
def test_a_path_is_relative_and_goes_down(pod: Pod, path: str, words: str) -> None:
    with pytest.raises(VolumeError, match=words):
        pod.mount(path)


def test_a_link_that_is_swapped_in_never_shows_the_host(pod: Pod) -> None:
    (pod.volume / "x/in").mkdir(parents=True)
    (pod.volume / "x/in/mine").touch()
    (pod.volume / "y").symlink_to(os.path.relpath(pod.volume.parent, pod.volume))
    (pod.volume.parent / "in").mkdir()  # what the attacker is after
    swapper = subprocess.Popen([sys.executable, "-c", _SWAP, str(pod.volume)], stdout=subprocess.PIPE)
    try:
        assert swapper.stdout is not None and swapper.stdout.readline()
        mounted = refused = 0
        while mounted < 50 or refused < 50:
            try:
                source = pod.mount("x/in")
            except VolumeError:
                refused += 1
                continue
            mounted += 1
            assert os.listdir(source) == ["mine"]
    finally:
        swapper.kill()
        swapper.communicate()
