"""Namespaces that are pinned beside those of iproute2, in a mount namespace that plays a fresh machine."""

from __future__ import annotations

import os
import subprocess
import sys

_FRESH = "mount --make-rprivate / && mount -t tmpfs none /run && exec "
_STORY = """
import subprocess
from pathlib import Path
from kubette.network import netns
ours = [netns.NETNS_DIR / name for name in ("kbt-a", "kbt-b")]
def mounts():
    return [line.split()[4] for line in open("/proc/self/mountinfo") if "/run/netns" in line]
before = mounts()  # of the machine that this is not; they lie below
netns.create(ours[0])
subprocess.run(["ip", "netns", "add", "theirs"], check=True)
netns.create(ours[1])
assert all(netns.pinned(path) for path in ours)
for path in ours:
    netns.remove(path)
assert [p.name for p in netns.NETNS_DIR.iterdir()] == ["theirs"], "ours have gone"
assert netns.pinned(netns.NETNS_DIR / "theirs")
subprocess.run(["ip", "netns", "del", "theirs"], check=True)
netns.create(ours[0])
netns.remove(ours[0])
assert mounts() == before, "no mount is left"
"""


def test_ours_and_those_of_iproute2_come_and_go_in_any_order() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = ["unshare", "-m", "sh", "-c", _FRESH + '"$0" -c "$1"', sys.executable, _STORY]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
