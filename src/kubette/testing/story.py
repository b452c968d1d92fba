"""A story told with real commands: what is run, what it printed, and what must be true of it.

``make demo`` tells it to a user and the e2e tests tell it to themselves; both run the very same steps. Only
subprocesses are used here, so that a story proves what a user would see.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.1
_COLUMNS = re.compile(r" {2,}").split


class StoryFailed(AssertionError):
    """A step did not show what it should have shown; the message says what, and what came instead."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended. ``seconds`` is how long it took."""

    command: str
    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        return (self.out + self.err).rstrip()

    @property
    def rows(self) -> list[dict[str, str]]:
        """What was printed as a table, by column heading."""
        lines = [line for line in self.out.splitlines() if line.strip()]
        if not lines:
            return []
        head = _COLUMNS(lines[0].strip())
        return [dict(zip(head, _COLUMNS(line.strip()), strict=False)) for line in lines[1:]]


@dataclass(slots=True)
class Story:
    """``kubectl`` and ``kubette`` are the commands to run; ``say`` takes each line that a user should see."""

    kubectl_path: str
    kubette_path: str
    cluster: str
    directory: Path  # the commands' working directory: holds examples/
    environment: Mapping[str, str]
    data_dir: Path | None = None
    resolv_conf: Path = Path("/etc/resolv.conf")  # of the nodes
    say: Callable[[str], None] = lambda line: None
    timeout: float = 60.0

    def run(self, shown: str, argv: Sequence[str], *, stdin: str | None = None) -> Ran:
        """Run without a word."""
        started = time.monotonic()
        try:
            done = subprocess.run(
                argv,
                input=stdin if stdin is not None else "",
                capture_output=True,
                text=True,
                timeout=self.timeout,
                cwd=self.directory,
                env={**os.environ, **self.environment},
            )
        except subprocess.TimeoutExpired as error:
            raise StoryFailed(f"`{shown}` did not end within {self.timeout:g} s") from error
        return Ran(shown, done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def show(self, ran: Ran) -> Ran:
        """Show a command and its output."""
        self.say(f"$ {ran.command}")
        for line in ran.text.splitlines():
            self.say(line)
        self.say("")
        return ran

    def expect(self, true: object, what: str, ran: Ran | None = None) -> None:
        """StoryFailed, with what ``ran`` printed, unless ``true``."""
        if not true:
            came = f"\n`{ran.command}` ended with {ran.code} and printed:\n{ran.text}" if ran else ""
            raise StoryFailed(f"expected {what}{came}")

    def argv(self, line: str) -> tuple[str, list[str]]:
        """A command line as shown, and as run. ``kubette`` gets what names the cluster."""
        words = shlex.split(line)
        if words[0] == "kubectl":
            return line, [self.kubectl_path, *words[1:]]
        if words[0] == "kubette":
            at = 3 if words[1] in ("node", "image") else 2
            name = [] if words[1] == "image" else ["--name", self.cluster]
            data = ["--data-dir", str(self.data_dir)] if self.data_dir else []
            shown = shlex.join(["kubette", *words[1:at], *name, *words[at:]])
            return shown, [self.kubette_path, *words[1:at], *name, *data, *words[at:]]
        return line, words

    def __call__(self, line: str, *, code: int | None = 0, stdin: str | None = None) -> Ran:
        """Run a command line and show it. ``code``: what it must exit with; None: anything."""
        shown, argv = self.argv(line)
        ran = self.show(self.run(shown, argv, stdin=stdin))
        self.expect(code is None or ran.code == code, f"exit code {code}", ran)
        return ran

    def quiet(self, line: str, *, stdin: str | None = None) -> Ran:
        """Run a command line and don't show it."""
        shown, argv = self.argv(line)
        return self.run(shown, argv, stdin=stdin)

    def wait(self, line: str, what: str, check: Callable[[Ran], object], *, seconds: float = 30.0) -> Ran:
        """Run a command line again and again until ``check`` holds; level-triggered systems get there by
        themselves. StoryFailed after ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            ran = self.quiet(line)
            if check(ran):
                return ran
            self.expect(time.monotonic() < deadline, f"{what} within {seconds:g} s", ran)
            time.sleep(_POLL_SECONDS)

    def until(self, line: str, what: str, check: Callable[[Ran], object], *, seconds: float = 30.0) -> Ran:
        """``wait``, and show the last run."""
        return self.show(self.wait(line, what, check, seconds=seconds))

    def get(self, line: str) -> Any:
        """The JSON that a command prints, unseen."""
        ran = self.quiet(f"{line} -o json")
        self.expect(ran.code == 0, "an answer", ran)
        return json.loads(ran.out)

    def nodes(self) -> dict[str, str]:
        """Node → IP."""
        addresses: dict[str, str] = json.loads(self.quiet("kubette status -o json").out)["addresses"]
        return addresses

    def states(self) -> dict[str, str]:
        """Node → Ready, NotReady, Off or Unknown."""
        states: dict[str, str] = json.loads(self.quiet("kubette status -o json").out)["nodes"]
        return states

    def host_ip(self) -> str:
        """The host's address on the nodes' link: outside the cluster, and reachable from it."""
        return next(iter(self.nodes().values())).rpartition(".")[0] + ".1"

    def pods(self, selector: str = "app=kubia") -> list[dict[str, Any]]:
        """The pods that are not on their way out, by name."""
        items = self.get(f"kubectl get po -l {selector}")["items"]
        alive = (p for p in items if "deletionTimestamp" not in p["metadata"])
        return sorted(alive, key=lambda p: str(p["metadata"]["name"]))

    def pod(self, selector: str = "app=kubia") -> str:
        """The name of one of them."""
        name: str = self.pods(selector)[0]["metadata"]["name"]
        return name

    @contextmanager
    def background(self, line: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command line beside the story; ended with the block if it has not ended by itself."""
        shown, argv = self.argv(line)
        self.say(f"$ {shown} &")
        self.say("")
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.directory,
            env={**os.environ, **self.environment},
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def running(ran: Ran, count: int) -> bool:
    """Whether ``kubectl get po`` shows exactly that many pods, all ready and running."""
    rows = ran.rows
    return len(rows) == count and all(r.get("READY") == "1/1" and r.get("STATUS") == "Running" for r in rows)


def evenly(ran: Ran, names: Sequence[str], each: int) -> bool:
    """Whether ``… | sort | uniq -c`` counts at least ``each`` answers of every pod, and nothing else."""
    counts = {}
    for line in ran.out.splitlines():
        count, _, answer = line.strip().partition(" ")
        counts[answer] = int(count)
    return set(counts) == {f"You've hit {name}" for name in names} and min(counts.values()) >= each
