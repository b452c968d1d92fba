"""The README's console examples are run, and print what it says they print.

Names, addresses, ages and times differ from run to run, so lines are compared by their shape: what varies is
replaced on both sides. A block whose last line of output is not all there is (``nft list``) is a beginning.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = f"readme-{os.getpid()}"


def examples() -> list[tuple[str, list[str]]]:
    """(command, lines of output) in order, of all ``console`` blocks."""
    out: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                out.append((line[2:], []))
            else:
                out[-1][1].append(line)
    return out


def shape(line: str) -> str:
    """What a line says, without what varies."""
    line = line.replace(NAME, "default")
    line = re.sub(r"kubia-[a-z0-9]{5}\b", "kubia-xxxxx", line)
    line = re.sub(r"\b\d+\.\d+\.\d+\.\d+\b", "IP", line)
    line = re.sub(r"\bnode-\d\b", "node", line)
    line = re.sub(r"\b\d+(\.\d+)?(ms|s|m)\b", "TIME", line)
    return re.sub(r"\s+", " ", line).strip()


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\n")
    bin_dir = str(Path(sys.executable).parent)
    env = {
        **os.environ,
        "PATH": f"{bin_dir}:{os.environ['PATH']}",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "KUBETTE_NAME": NAME,
        "KUBETTE_DATA_DIR": str(tmp_path / "data"),
        "KUBETTE_RESOLV_CONF": str(resolv),
    }
    yield env
    subprocess.run(["kubette", "down"], env=env, check=False, capture_output=True)
    shutil.rmtree(tmp_path / "data", ignore_errors=True)


def test_the_readmes_examples_print_what_it_says(environment: dict[str, str]) -> None:
    told = examples()
    assert len(told) >= 6
    for command, wanted in told:
        ran = subprocess.run(
            command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, f"{command}: {ran.stderr}"
        printed = [shape(line) for line in (ran.stderr + ran.stdout).splitlines()]
        assert sorted(map(shape, wanted)) == sorted(printed[: len(wanted)]), command
