"""A local cluster for tests, driven through the command line as a user would, and what it leaves behind.

It has its own data directory and kubeconfig, so that it lives beside whatever else the machine runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from kubette import clusterspec as specs
from kubette.network import local
from kubette.testing.story import Story

T = TypeVar("T")
KUBETTE = str(Path(sys.executable).with_name("kubette"))


class LocalCluster:
    """``directory`` is empty, and the cluster's alone but for ``data``, which others may share."""

    def __init__(self, name: str, directory: Path, kubectl: str = "kubectl", data: Path | None = None) -> None:
        self.name, self.directory, self.kubectl_path = name, directory, kubectl
        self.data = data or directory / "data"
        self.kubeconfig = directory / "kubeconfig"
        self.resolv_conf = directory / "resolv.conf"
        self.resolv_conf.write_text("nameserver 192.0.2.53\n")  # TEST-NET-1: nobody answers
        self.environment = {"KUBECONFIG": str(self.kubeconfig)}
        self._subnet = ""

    @property
    def spec(self) -> specs.ClusterSpec:
        """Its names and addresses, while it is up or stopped."""
        found = specs.load(self.name, self.data)
        assert found is not None
        return found

    def run(
        self, *argv: str, stdin: str = "", check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Any command with the cluster's kubeconfig. AssertionError, with its output, when it fails."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, env=environment)
        assert not check or done.returncode == 0, f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def kubette(self, *words: str, check: bool = True, timeout: float = 150) -> subprocess.CompletedProcess[str]:
        """``kubette`` on this cluster: ``words`` begin with the command, or with ``node`` or ``image`` and theirs."""
        at = 2 if words[0] in ("node", "image") else 1
        name = () if words[0] in ("image", "ls") else ("--name", self.name)
        own = (*name, "--data-dir", str(self.data))
        return self.run(KUBETTE, *words[:at], *own, *words[at:], check=check, timeout=timeout)

    def kubectl(self, *words: str, stdin: str = "", check: bool = True, timeout: float = 60) -> str:
        """What kubectl printed; on failure too when ``check`` is off."""
        done = self.run(self.kubectl_path, *words, stdin=stdin, check=check, timeout=timeout)
        return done.stdout if check else done.stdout + done.stderr

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def apply(self, *objects: dict[str, Any]) -> str:
        return self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def up(self, nodes: int = 1, *options: str) -> None:
        self.kubette("up", "--nodes", str(nodes), "--resolv-conf", str(self.resolv_conf), *options)
        self._subnet = self.spec.subnet

    def down(self) -> None:
        self.kubette("down")

    def pid(self, component: str) -> int:
        """Of ``supervisor``, ``server`` or a node."""
        status = json.loads(self.kubette("status", "-o", "json", check=False).stdout)
        return int(status["processes"][component])

    def story(self, directory: Path) -> Story:
        """For the walkthrough; ``directory`` holds ``examples/``."""
        return Story(self.kubectl_path, KUBETTE, self.name, directory, self.environment, self.data, self.resolv_conf)

    def leftovers(self) -> list[str]:
        """Everything of this cluster that the kernel, the file system or the kubeconfig still has."""
        spec_name = self.name
        found = [f"netns {p.name}" for p in Path("/run/netns").glob(f"kubette-{spec_name}*")]
        links = {local.bridge_name(spec_name), *(local.link_name(spec_name, f"node-{i}") for i in range(1, 4))}
        links.add(local.link_name(spec_name, ""))
        found += [f"link {name}" for name in links if Path("/sys/class/net", name).exists()]
        tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout.splitlines()
        found += [line for line in tables if line.endswith(f" kubette-{spec_name}")]
        routes = subprocess.run(["ip", "route", "show", "proto", "75"], capture_output=True, text=True).stdout
        found += [f"route {line}" for line in routes.splitlines() if self._subnet and f" {self._subnet} " in line]
        own = (f"/run/kubette/{spec_name}/", f"{self.data}/{spec_name}/")
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [f"mount {m.split()[4]}" for m in mounts if m.split()[4].startswith(own)]
        cgroups = subprocess.run(
            ["find", "/sys/fs/cgroup", "-type", "d", "-name", f"kubette-{spec_name}"], capture_output=True, text=True
        )
        found += [f"cgroup {path}" for path in cgroups.stdout.split()]
        found += [str(p) for p in (Path("/run/kubette", spec_name), self.data / spec_name) if p.exists()]
        if self.kubeconfig.exists():
            found += ["context"] if f"kubette-{spec_name}" in self.kubeconfig.read_text() else []
        return found + [f"process {pid} {line}" for pid, line in self.processes().items()]

    def processes(self) -> dict[int, str]:
        """pid → command line, of all that runs for this cluster: components, conmons, containers."""
        paths = (f"/run/kubette/{self.name}/", f"{self.data}/{self.name}/", f"kubette: cluster {self.name}, ")
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    cgroup = (entry / "cgroup").read_text()
                    if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                        continue  # ended; init has not noticed yet
                except OSError:
                    continue
                if f"/kubette-{self.name}/" in cgroup or any(path in line for path in paths):
                    found[int(entry.name)] = line
        return found

    def kill(self) -> None:
        """SIGKILL to every process of the cluster, until there is none."""
        while pids := self.processes():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def until(what: str, check: Callable[[], T], seconds: float = 30.0) -> T:
    """Ask until the answer is true-ish, and return it. AssertionError, with the last answer, after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            last: Any = check()
            if last:
                return last  # type: ignore[no-any-return]
        except (AssertionError, OSError, LookupError, ValueError) as error:
            last = error
        assert time.monotonic() < deadline, f"not {what} within {seconds:g} s: {last}"
        time.sleep(0.05)


@contextmanager
def cluster(
    name: str, directory: Path, nodes: int = 1, *options: str, kubectl: str = "kubectl"
) -> Iterator[LocalCluster]:
    """Up for the block, and gone after it whatever happens."""
    made = LocalCluster(name, directory, kubectl)
    try:
        made.up(nodes, *options)
        yield made
    finally:
        made.kubette("down", check=False)
