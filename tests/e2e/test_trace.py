"""``kubette trace`` on a real cluster: what it tells is what then happens."""

from __future__ import annotations

import json
from typing import Any

from kubette.testing.local import LocalCluster, until


def told(made: LocalCluster, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code, and the answer."""
    done = made.kubette("trace", *words, "-o", "json", check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_it_tells_what_happens(two_nodes: LocalCluster, namespace: str) -> None:
    n = ("-n", namespace)
    two_nodes.kubectl("create", *n, "deployment", "web", "--image=luksa/kubia", "--replicas=3")
    two_nodes.kubectl("expose", *n, "deployment", "web", "--port=80", "--target-port=8080", "--type=NodePort")
    two_nodes.kubectl("rollout", "status", *n, "deployment/web", "--timeout=60s")
    pods = {p["metadata"]["name"] for p in two_nodes.get("pods", *n)["items"]}
    first = min(pods)

    def all_three() -> bool:
        code, answer = told(two_nodes, *n, f"pod/{first}", "http://web")
        return code == 0 and {end["pod"] for end in answer["ends"]} == {f"{namespace}/{p}" for p in pods}

    until("an end at each pod", all_three)
    _, answer = told(two_nodes, *n, f"pod/{first}", "http://web")
    assert "the node's kernel has this table" in [step["what"] for step in answer["steps"]], answer
    assert f"web.{namespace}.svc.cluster.local" in answer["steps"][0]["what"]
    hit = two_nodes.kubectl("exec", *n, first, "--", "curl", "-s", "--max-time", "5", "http://web")
    assert hit.removeprefix("You've hit ").strip() in pods
    assert told(two_nodes, *n, "outside", "svc/web")[0] == 0

    two_nodes.kubectl("patch", *n, "service", "web", "-p", '{"spec":{"selector":{"app":"nobody"}}}')
    until("nobody behind the service", lambda: told(two_nodes, *n, "node/node-1", "svc/web")[0] == 1)
    _, answer = told(two_nodes, *n, "node/node-1", "svc/web")
    assert answer["verdict"] == "it is refused at once (TCP reset)"
    assert answer["reasons"] == [
        f"the selector app=nobody of Service {namespace}/web matches no pod in namespace {namespace}"
    ]


def test_a_question_that_makes_no_sense(two_nodes: LocalCluster) -> None:
    done = two_nodes.kubette("trace", "pod/nosuch", "svc/kubernetes", check=False)
    assert (done.returncode, done.stderr) == (1, 'kubette: there is no pod "nosuch" in namespace "default"\n')
    done = two_nodes.kubette("trace", "here", "there", check=False)
    assert done.returncode == 1 and "a path starts at pod/NAME, node/NAME or outside" in done.stderr


def test_it_says_whether_a_process_listens(two_nodes: LocalCluster, namespace: str) -> None:
    n = ("-n", namespace)
    serve = "import http.server as h; h.HTTPServer(('127.0.0.1', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
    two_nodes.kubectl("run", *n, "all", "--image=luksa/kubia")
    two_nodes.kubectl("run", *n, "lo", "--image=luksa/kubia", "--command", "--", "python3", "-c", serve)
    two_nodes.kubectl("wait", *n, "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    until("all listens", lambda: told(two_nodes, *n, "pod/lo", "pod/all:8080")[0] == 0)
    code, answer = told(two_nodes, *n, "pod/lo", "pod/all:81")
    assert code == 1
    assert answer["reasons"][0].startswith(f"nothing listens on TCP port 81 in pod {namespace}/all; it listens on 8080")
    loopback = f"pod {namespace}/lo listens on 127.0.0.1 only for TCP port 8080"
    until("lo listens", lambda: loopback in "".join(told(two_nodes, *n, "pod/all", "pod/lo:8080")[1]["reasons"]))
    assert told(two_nodes, *n, "--udp", "pod/all", "pod/lo:8080")[0] == 1
