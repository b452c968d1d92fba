"""Steps 11 to 17 of the walkthrough: endpoints, ways in from outside, and what happens when things die."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kubette.testing.story import Ran, Story, running
from kubette.testing.walkthrough_services import cluster_ip

_OUTSIDE = "Hello from outside the cluster"


def _hits(ran: Ran) -> set[str]:
    return set(re.findall(r"You've hit (\S+)", ran.out))


def _loop(url: str, times: int, options: str = "") -> str:
    """Shell: ask so many times, count the answers."""
    ask = f"curl -s --max-time 5 {options}{' ' if options else ''}{url} || echo FAILED $?"
    return f"sh -c 'for i in $(seq {times}); do {ask}; done | sort | uniq -c'"


def endpoints(story: Story) -> None:
    ran = story.until(
        "kubectl get endpoints kubia", "six endpoints, folded", lambda ran: "+ 3 more..." in ran.out
    )
    wide = story("kubectl get po -l app=kubia -o wide")
    ips = {r["IP"] for r in wide.rows}
    story.expect(len(ips) == 3 and {r["NODE"] for r in wide.rows} == {"node-1", "node-2"}, "pods on two nodes", wide)
    shown = ran.rows[0]["ENDPOINTS"].split()[0].split(",")
    story.expect(
        len(shown) == 3 and all(re.fullmatch(r"[\d.]+:8(080|443)", s) and s.split(":")[0] in ips for s in shown),
        "the first three of the pods' addresses",
        ran,
    )
    subsets = story.get("kubectl get endpoints kubia")["subsets"]
    found = {(a["ip"], p["port"]) for s in subsets for a in s["addresses"] for p in s["ports"]}
    story.expect(found == {(ip, port) for ip in ips for port in (8080, 8443)}, f"every pod's two ports, not {found}")


def nothing_matches(story: Story) -> None:
    ip, pod = cluster_ip(story), story.pod()
    story("kubectl replace -f examples/kubia-svc-no-match.yaml")
    story.until(
        "kubectl get endpoints kubia", "no endpoints", lambda ran: ran.rows and ran.rows[0]["ENDPOINTS"] == "<none>"
    )
    for client in (f"kubectl exec {pod} --", "kubette node exec node-1 --"):
        line = f"{client} curl -sS --max-time 5 -w '%{{time_total}} s' http://{ip}"
        ran = story.until(line, "a refusal", lambda ran: ran.code == 7, seconds=10)  # could not connect
        story.expect(float(ran.out.split()[0]) < 1, "it at once", ran)
    story("kubectl replace -f examples/kubia-svc-multiport.yaml")
    line = f"kubectl exec {pod} -- curl -s --max-time 5 http://{ip}"
    story.until(line, "an answer again", lambda ran: _hits(ran), seconds=10)


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{_OUTSIDE}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def _outside_server(address: str) -> Iterator[int]:
    """An HTTP server that no cluster knows; its port."""
    server = ThreadingHTTPServer((address, 0), _Hello)
    thread = threading.Thread(target=server.serve_forever, name="outside", kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def outside_service(story: Story) -> None:
    host = story.host_ip()
    with _outside_server(host) as port:
        story.say(f"(a small HTTP server listens on {host}:{port}, on this machine and in no cluster)")
        story("kubectl create -f examples/external-svc.yaml")
        edit = f"sed -e s/11.11.11.11/{host}/ -e 's/port: 80/port: {port}/' examples/external-endpoints.yaml"
        edited = story.show(story.run(f"{edit} | kubectl create -f -", *_piped(story, edit)))
        story.expect(edited.out == "endpoints/external-service created\n", "endpoints created", edited)
        shown = story("kubectl get endpoints external-service")
        story.expect(f"{host}:{port}" in shown.out, "the hand-made address", shown)
        line = f"kubectl exec {story.pod()} -- curl -s --max-time 5 http://external-service"
        story.until(line, "the server's answer", lambda ran: ran.out == f"{_OUTSIDE}\n", seconds=10)
        story("kubectl delete svc external-service")


def _piped(story: Story, edit: str) -> tuple[list[str]]:
    return (["sh", "-c", f"{edit} | {story.kubectl_path} create -f -"],)


def node_port(story: Story) -> None:
    story("kubectl create -f examples/kubia-svc-nodeport.yaml")
    shown = story("kubectl get svc kubia-nodeport")
    story.expect(shown.rows[0]["PORT(S)"] == "80:30123/TCP", "80:30123/TCP", shown)
    names = {p["metadata"]["name"] for p in story.pods()}
    story.say("(from outside the cluster, by the address of either node)")
    for ip in story.nodes().values():
        story.until(_loop(f"http://{ip}:30123", 40), "answers of all pods, no failure", _all(names), seconds=15)


def _all(names: set[str]) -> Callable[[Ran], bool]:
    """Every pod has answered, those of the other node too, and nothing failed."""
    return lambda ran: _hits(ran) == names and "FAILED" not in ran.out


def external_ip(story: Story, service: str, namespace: str = "default") -> str:
    """The load balancer's IP, or nothing yet."""
    status = story.get(f"kubectl get svc {service} -n {namespace}")["status"].get("loadBalancer") or {}
    ingress = status.get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))


def load_balancer(story: Story) -> None:
    story("kubectl create -f examples/kubia-svc-loadbalancer.yaml")
    subnet = story.host_ip().rpartition(".")[0]
    story.until(
        "kubectl get svc kubia-loadbalancer",
        "an EXTERNAL-IP on the nodes' link",
        lambda ran: ran.rows and ran.rows[0]["EXTERNAL-IP"].startswith(f"{subnet}."),
        seconds=10,
    )
    names = {p["metadata"]["name"] for p in story.pods()}
    url = f"http://{external_ip(story, 'kubia-loadbalancer')}"
    story.until(_loop(url, 40), "answers of all pods, no failure", _all(names), seconds=15)


def ingress(story: Story) -> None:
    story("kubectl create -f examples/kubia-ingress.yaml -f examples/kubia-ingress-paths.yaml")
    shown = story.until(
        "kubectl get ingress",
        "an address of both",
        lambda ran: len(ran.rows) == 2 and all(re.fullmatch(r"[\d.]+", r.get("ADDRESS", "")) for r in ran.rows),
        seconds=60,
    )
    ip = shown.rows[0]["ADDRESS"]
    plain = {p["metadata"]["name"] for p in story.pods()}
    named = {p["metadata"]["name"] for p in story.pods("app=kubia-named")}
    for host, path, wanted in (
        ("kubia.example.com", "/", plain),
        ("shop.example.com", "/named/things", named),
        ("shop.example.com", "/nameddrop", plain),  # prefixes end where path elements do
        ("named.example.com", "/", named),
    ):
        line = f"curl -s --max-time 5 -H 'Host: {host}' http://{ip}{path}"

        def hit(ran: Ran, wanted: set[str] = wanted) -> bool:
            found = _hits(ran)
            return bool(found) and found <= wanted

        story.until(line, f"an answer of one of {sorted(wanted)}", hit, seconds=15)
    line = f"curl -s -o /dev/null -w '%{{http_code}}\\n' --max-time 5 -H 'Host: no.example.com' http://{ip}/"
    story.expect((ran := story(line)).out == "404\n", "404 for a host that nobody has", ran)


def things_die(story: Story) -> None:
    _process_dies(story)
    _pod_is_deleted(story)
    _node_goes(story)


def _process_dies(story: Story) -> None:
    story.say("(a process dies: its container is started again)")
    victim = story.pod()
    story(f"kubectl exec {victim} -- sh -c 'kill 1'", code=None)
    story.until(
        "kubectl get po -l app=kubia",
        "one restart, and three pods Running",
        lambda ran: running(ran, 3)
        and any(r["NAME"] == victim and r["RESTARTS"].split()[0] == "1" for r in ran.rows),
    )


def _pod_is_deleted(story: Story) -> None:
    story.say("(a pod is deleted while another asks the service all the time)")
    client, victim = (p["metadata"]["name"] for p in story.pods()[:2])
    story.wait(f"kubectl exec {client} -- {_loop('http://kubia', 30)}", "a service at ease", _all(_names(story)))
    ask = "curl -s --max-time 5 http://kubia || echo FAILED $?"
    loop = f"rm -f /tmp/end; while [ ! -e /tmp/end ]; do {ask}; done | sort | uniq -c"
    with story.background(f"kubectl exec {client} -- sh -c '{loop}'") as process:
        story(f"kubectl delete po {victim}")
        story.until("kubectl get po -l app=kubia", "three pods again", lambda ran: running(ran, 3))
        new = story.wait(
            f"kubectl exec {client} -- curl -s --max-time 5 http://kubia",
            "the replacement's answer",
            lambda ran: _hits(ran) <= _names(story) and victim not in ran.out,
        )
        story.expect(new.code == 0, "an answer", new)
        story(f"kubectl exec {client} -- touch /tmp/end")
        counted, _ = process.communicate(timeout=30)
    ran = story.show(Ran("wait", process.returncode, counted, "", 0.0))
    story.expect(_hits(ran) and "FAILED" not in counted, "no failure", ran)
    ips = {p["status"]["podIP"] for p in story.pods()}
    shown = story("kubectl get endpoints kubia")
    story.expect(all(e.split(":")[0] in ips for e in _first(shown)), "the endpoints to follow", shown)


def _names(story: Story) -> set[str]:
    return {p["metadata"]["name"] for p in story.pods()}


def _first(ran: Ran) -> list[str]:
    return ran.rows[0]["ENDPOINTS"].split()[0].split(",")


def _node_goes(story: Story) -> None:
    story.say("(the power of a node goes)")
    url = f"http://{external_ip(story, 'kubia-loadbalancer')}"
    story("kubette node stop node-2")
    story.until(
        "kubectl get nodes",
        "node-2 NotReady",
        lambda ran: {r["NAME"]: r["STATUS"] for r in ran.rows} == {"node-1": "Ready", "node-2": "NotReady"},
        seconds=60,
    )
    here = {p["metadata"]["name"] for p in story.pods() if p["spec"]["nodeName"] == "node-1"}
    story.until(_loop(url, 20), "answers of the pods that are left, no failure", _all(here), seconds=30)
    story("kubectl get endpoints kubia-loadbalancer")
    story.say("(what ran there is replaced; its pods stay Terminating until their node is back)")
    story.until(
        "kubectl get po -l app=kubia -o wide",
        "three pods Running on the node that is left",
        lambda ran: sum((r["STATUS"], r["NODE"]) == ("Running", "node-1") for r in ran.rows) == 3,
        seconds=60,
    )
    story("kubette node start node-2")
    story.until(
        "kubectl get nodes",
        "both nodes Ready",
        lambda ran: [r["STATUS"] for r in ran.rows] == ["Ready"] * 2,
        seconds=60,
    )
    story.until("kubectl get po -l app=kubia", "three pods Running", lambda ran: running(ran, 3), seconds=60)
    story.until(_loop(url, 40), "answers of all pods, no failure", lambda ran: _all(_names(story))(ran), seconds=30)


STEPS: tuple[tuple[str, Callable[[Story], None]], ...] = (
    ("What stands behind a service: its endpoints", endpoints),
    ("A selector that matches nothing", nothing_matches),
    ("A service without a selector: endpoints made by hand", outside_service),
    ("In from outside: a NodePort", node_port),
    ("In from outside: a load balancer", load_balancer),
    ("In from outside: an ingress, several services behind one IP", ingress),
    ("Things die: a process, a pod, a node", things_die),
)
