"""The walkthrough: 17 steps from "two pods" to "a node has gone", and what must be true after each.

A user meets Services here for the first time: a client that wants to talk to pods, although pods come and go and
their IPs with them. Steps build on one another. What a step runs, it shows; what it shows, it checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubette.testing import walkthrough_network, walkthrough_services
from kubette.testing.story import Story


@dataclass(frozen=True, slots=True)
class Step:
    """``tell`` runs and verifies it. StoryFailed when it does not hold."""

    number: int
    title: str
    tell: Callable[[Story], None]


STEPS: tuple[Step, ...] = tuple(
    Step(number, title, tell)
    for number, (title, tell) in enumerate((*walkthrough_services.STEPS, *walkthrough_network.STEPS), start=1)
)

#: All that the steps make, removed before they are told (again).
_MADE = (
    "rc/kubia rc/kubia-named rc/kubia-named-9090 po/kubia-dns-default "
    "svc/kubia svc/kubia-named svc/external-service svc/kubia-nodeport svc/kubia-loadbalancer "
    "endpoints/external-service ing/kubia ing/kubia-paths"
)


def reset(story: Story) -> None:
    """As if nothing had been told yet: every node is on, and none of the story's objects is there."""
    nodes = story.nodes()
    for node, state in story.states().items():
        if state == "Off":
            story.quiet(f"kubette node start {node}")
    story.wait(
        "kubectl get nodes",
        "every node Ready",
        lambda ran: [r.get("STATUS") for r in ran.rows] == ["Ready"] * len(nodes),
        seconds=60,
    )
    ran = story.quiet(f"kubectl delete --ignore-not-found {_MADE}")
    story.expect(ran.code == 0, "that the last telling's objects can be removed", ran)
    story.wait("kubectl get po -o name", "no pods", lambda ran: ran.code == 0 and "kubia" not in ran.out)
