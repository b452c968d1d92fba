"""``make demo``: tells the walkthrough on a local cluster of two nodes, with the user's own kubectl.

Each step prints its commands and their real output and is verified. The cluster is left running. The story's
kubectl has a kubeconfig of its own, so that it cannot reach any other cluster, whatever context is current.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kubette.testing.story import Story, StoryFailed
from kubette.testing.walkthrough import STEPS, reset

CLUSTER = "demo"
REPOSITORY = Path(__file__).resolve().parent.parent


def bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def say(line: str) -> None:
    print(bold(line) if line.startswith("$ ") else line, flush=True)


def main() -> int:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        print("demo: there is no kubectl; Debian's package kubernetes-client has one", file=sys.stderr)
        return 1
    kubette = str(Path(sys.executable).with_name("kubette"))
    say(f"$ kubette up --name {CLUSTER} --nodes 2")
    if subprocess.run([kubette, "up", "--name", CLUSTER, "--nodes", "2"]).returncode:
        return 1  # it has said why
    with tempfile.TemporaryDirectory(prefix="kubette-demo-") as directory:
        config = Path(directory) / "kubeconfig"
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            subprocess.run([kubette, "kubeconfig", "--name", CLUSTER], stdout=f, check=True)
        return tell(Story(kubectl, kubette, CLUSTER, REPOSITORY, {"KUBECONFIG": str(config)}, say=say))


def tell(story: Story) -> int:
    started = time.monotonic()
    step = None
    try:
        reset(story)
        for step in STEPS:
            say("")
            say(bold(f"=== Step {step.number} of {len(STEPS)}: {step.title}"))
            say("")
            step.tell(story)
    except StoryFailed as failure:
        where = f"step {step.number} ({step.title})" if step else "clearing up what an earlier telling left"
        print(f"\ndemo: FAILED at {where}: {failure}", file=sys.stderr)
        return 1
    url = story.get("kubectl get svc kubia-loadbalancer")["status"]["loadBalancer"]["ingress"][0]["ip"]
    pod = story.pod()
    say(bold(f"=== All {len(STEPS)} steps held, in {time.monotonic() - started:.0f} s. The cluster is still running."))
    say(
        f"""
Three things to try next (`kubette` is .venv/bin/kubette; kubectl's current context is kubette-{CLUSTER}):
  curl http://{url}
      a service from this machine, which is outside the cluster; say it a few times
  kubette trace --name {CLUSTER} pod/{pod} http://kubia
      how that pod reaches the service, step by step, and which nftables map takes the packet
  kubectl create deployment web --image=luksa/kubia --replicas=4
      your own; then: kubectl expose deployment web --port=80 --target-port=8080; kubectl get svc,endpoints web

To remove all of it: .venv/bin/kubette down --name {CLUSTER}"""
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print(
            f"\ndemo: interrupted. `make demo` tells it from the start; .venv/bin/kubette down --name {CLUSTER}"
            " removes what there is of the cluster.",
            file=sys.stderr,
        )
        sys.exit(130)
