"""Steps 1 to 10 of the walkthrough: pods, the service in front of them, its ports, and how clients find it."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from kubette.testing.story import Story, evenly, running

_SERVICES = ip_network("10.43.0.0/16")
_HIT = re.compile(r"You've hit (kubia-\w+)\n?").fullmatch


def cluster_ip(story: Story, service: str = "kubia") -> str:
    ip: str = story.get(f"kubectl get svc {service}")["spec"]["clusterIP"]
    return ip


def two_pods(story: Story) -> None:
    made = story("kubectl create -f examples/kubia-rc.yaml")
    story.expect(made.out == "replicationcontroller/kubia created\n", "replicationcontroller/kubia created", made)
    pods = story.until("kubectl get po", "two pods Running", lambda ran: running(ran, 2))
    story.expect(
        pods.out.split("\n")[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"], "upstream's columns", pods
    )
    story.expect(all(r["RESTARTS"] == "0" for r in pods.rows), "no restarts", pods)
    story.expect(all(re.fullmatch(r"kubia-\w{5}", r["NAME"]) for r in pods.rows), "pods named kubia-xxxxx", pods)


def a_service(story: Story) -> None:
    made = story("kubectl create -f examples/kubia-svc.yaml")
    story.expect(made.out == "service/kubia created\n", "service/kubia created", made)
    ran = story("kubectl get svc")
    story.expect(
        ran.out.split("\n")[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"],
        "upstream's columns",
        ran,
    )
    rows = {r["NAME"]: r for r in ran.rows}
    story.expect(set(rows) == {"kubernetes", "kubia"}, "the services kubernetes and kubia", ran)
    kubernetes, kubia = rows["kubernetes"], rows["kubia"]
    story.expect((kubernetes["CLUSTER-IP"], kubernetes["PORT(S)"]) == ("10.43.0.1", "443/TCP"), "10.43.0.1", ran)
    story.expect(ip_address(kubia["CLUSTER-IP"]) in _SERVICES and kubia["PORT(S)"] == "80/TCP", "a ClusterIP", ran)
    described = story("kubectl describe svc kubia")
    story.expect(re.search(r"Port:\s+<unset>\s+80/TCP", described.out), "a port without a name", described)


def from_a_node(story: Story) -> None:
    line = f"kubette node exec node-1 -- curl -s --max-time 5 http://{cluster_ip(story)}"
    names = {p["metadata"]["name"] for p in story.pods()}

    def hit(out: str) -> bool:
        match = _HIT(out)
        return match is not None and match[1] in names

    story.until(line, "an answer of one of the pods", lambda ran: hit(ran.out), seconds=5)


def no_ping(story: Story) -> None:
    ran = story(f"kubette node exec node-1 -- ping -c 2 -i 0.2 -W 1 {cluster_ip(story)}", code=1)
    story.expect("100% packet loss" in ran.out and "nreachable" not in ran.out, "silence", ran)


def every_pod_in_turn(story: Story) -> None:
    story("kubectl scale rc kubia --replicas=3")
    story.until("kubectl get po", "three pods Running", lambda ran: running(ran, 3))
    names = [p["metadata"]["name"] for p in story.pods()]
    url = f"http://{cluster_ip(story)}"
    for _ in range(3):
        ran = story(f"kubectl exec {names[0]} -- curl -s --max-time 5 {url}")
        story.expect(_HIT(ran.out), "an answer", ran)
    # Until the third pod's endpoint is in the kernel, the other two answer: no failure either way.
    story.wait(
        f"kubectl exec {names[0]} -- curl -s --max-time 5 {url}", "the new pod", lambda ran: names[2] in ran.out
    )
    loop = f"for i in $(seq 90); do curl -s --max-time 5 {url} || echo FAILED $?; done | sort | uniq -c"
    ran = story(f"kubectl exec {names[0]} -- sh -c '{loop}'")
    story.expect(evenly(ran, names, 10), "an answer of each pod about equally often, and no failure", ran)


def two_ports(story: Story) -> None:
    before = cluster_ip(story)
    story("kubectl replace -f examples/kubia-svc-multiport.yaml")
    story.expect(cluster_ip(story) == before, "the same ClusterIP")

    def both(out: str) -> bool:
        return (
            re.search(r"Port:\s+http\s+80/TCP\nTargetPort:\s+8080/TCP\nEndpoints:\s+\S+:8080", out) is not None
            and re.search(r"Port:\s+https\s+443/TCP\nTargetPort:\s+8443/TCP\nEndpoints:\s+\S+:8443", out) is not None
        )

    story.until("kubectl describe svc kubia", "both ports with endpoints", lambda ran: both(ran.out))
    line = f"kubectl exec {story.pod()} -- curl -sk --max-time 5 https://{before}"
    story.until(line, "an answer over TLS", lambda ran: _HIT(ran.out))


def named_ports(story: Story) -> None:
    story("kubectl create -f examples/kubia-named-ports.yaml -f examples/kubia-svc-named-ports.yaml")
    story.until("kubectl get po -l app=kubia-named", "two pods Running", lambda ran: running(ran, 2))
    story.until(
        "kubectl get endpoints kubia-named",
        "a pod at 8080 and one at 9090",
        lambda ran: ":8080" in ran.out and ":9090" in ran.out,
    )
    names = [p["metadata"]["name"] for p in story.pods("app=kubia-named")]
    url = f"http://{cluster_ip(story, 'kubia-named')}"
    loop = f"for i in $(seq 30); do curl -s --max-time 5 {url} || echo FAILED $?; done | sort | uniq -c"
    line = f"kubectl exec {story.pod()} -- sh -c '{loop}'"
    story.until(line, "answers of both pods", lambda ran: evenly(ran, names, 3), seconds=10)


def environment(story: Story) -> None:
    story("kubectl delete po -l app=kubia")
    story.until("kubectl get po -l app=kubia", "three new pods", lambda ran: running(ran, 3))
    pod, ip = story.pod(), cluster_ip(story)
    ran = story(f"kubectl exec {pod} -- env")
    env = dict(line.split("=", 1) for line in ran.out.splitlines() if "=" in line)
    wanted = {"HOSTNAME": pod}
    for prefix, address, ports in (
        ("KUBIA", ip, {"HTTP": 80, "HTTPS": 443}),
        ("KUBERNETES", "10.43.0.1", {"HTTPS": 443}),
    ):
        first = next(iter(ports.values()))
        wanted |= {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(first)}
        wanted[f"{prefix}_PORT"] = f"tcp://{address}:{first}"
        for name, port in ports.items():
            family = f"{prefix}_PORT_{port}_TCP"
            wanted[f"{prefix}_SERVICE_PORT_{name}"] = str(port)
            wanted |= {family: f"tcp://{address}:{port}", f"{family}_PROTO": "tcp"}
            wanted |= {f"{family}_PORT": str(port), f"{family}_ADDR": address}
    wrong = {k: env.get(k) for k, v in wanted.items() if env.get(k) != v}
    story.expect(not wrong, f"the variables of both services; these are not as they should be: {wrong}", ran)
    story.expect(env.get("HOME") and env.get("PATH"), "HOME and the image's own PATH", ran)


def cluster_dns_runs(story: Story) -> None:
    ran = story.until(
        "kubectl get po -n kube-system",
        "the cluster DNS pod Running",
        lambda ran: any(
            "dns" in r["NAME"] and (r["READY"], r["STATUS"]) == ("1/1", "Running") for r in ran.rows
        ),
    )
    story.expect(all(r["RESTARTS"].split()[0].isdigit() for r in ran.rows), "a table", ran)


def names(story: Story) -> None:
    pod = story.pod()
    for name in ("kubia", "kubia.default", "kubia.default.svc.cluster.local"):
        line = f"kubectl exec {pod} -- curl -s --max-time 5 http://{name}"
        story.until(line, "an answer", lambda ran: _HIT(ran.out), seconds=10)
    resolv = story(f"kubectl exec {pod} -- cat /etc/resolv.conf")
    lines = resolv.out.splitlines()
    story.expect("nameserver 10.43.0.10" in lines and "options ndots:5" in lines, "the cluster's resolver", resolv)
    search = next((line.split()[1:] for line in lines if line.startswith("search ")), [])
    story.expect(
        search[:3] == ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"], "three domains", resolv
    )
    story("kubectl create -f examples/kubia-dns-default.yaml")
    story.until("kubectl get po kubia-dns-default", "the pod Running", lambda ran: running(ran, 1))
    own = story("kubectl exec kubia-dns-default -- cat /etc/resolv.conf")
    servers = [line for line in story.resolv_conf.read_text().splitlines() if line.startswith("nameserver")]
    shown = [line for line in own.out.splitlines() if line.startswith("nameserver")]
    story.expect([s.split()[:2] for s in servers] == [s.split() for s in shown], "the node's own resolvers", own)
    story("kubectl delete po kubia-dns-default")


STEPS: tuple[tuple[str, Callable[[Story], None]], ...] = (
    ("A replication controller keeps two pods", two_pods),
    ("A service: one address in front of them", a_service),
    ("A node is a client of the service", from_a_node),
    ("The service's IP is virtual: it does not answer a ping", no_ping),
    ("Pods are clients too, and every pod answers in turn", every_pod_in_turn),
    ("A service with two ports, which need names", two_ports),
    ("Target ports by name: pods may map it to different numbers", named_ports),
    ("Finding the service: environment variables", environment),
    ("Finding the service: cluster DNS runs as a pod", cluster_dns_runs),
    ("Finding the service: by its name", names),
)
