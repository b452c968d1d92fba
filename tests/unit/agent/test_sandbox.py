"""What a pod's sandbox is made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubette.agent import sandbox


def test_every_pod_has_a_limit_of_processes() -> None:
    pod = {"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": {"hostNetwork": True}}
    spec = sandbox.sandbox_spec(pod, "h")
    assert (spec.pids_limit, spec.host_network, spec.host_ipc) == (4096, True, False)


def test_a_file_of_the_nodes_is_read_up_to_a_limit(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_bytes(b"x" * (3 << 20))
    assert len(sandbox._read(file)) == 1 << 20
    assert sandbox._read(tmp_path / "missing") == ""


def test_a_pods_file_is_brought_up_to_date_in_place(tmp_path: Path) -> None:
    file = tmp_path / "etc-hosts"
    for text in (b"one", b"a longer one", b"", b"two"):
        sandbox._write(file, text)
        assert file.read_bytes() == text
    number, changed = file.stat().st_ino, file.stat().st_mtime_ns
    sandbox._write(file, b"two")
    assert (file.stat().st_ino, file.stat().st_mtime_ns, file.stat().st_mode & 0o777) == (number, changed, 0o644)
    with file.open("wb") as f:
        f.truncate(1 << 40)  # a container has made it sparse and endless
    sandbox._write(file, b"two")
    assert (file.read_bytes(), file.stat().st_ino) == (b"two", number)
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(OSError, match="symbolic links"):
        sandbox._write(tmp_path / "link", b"three")
