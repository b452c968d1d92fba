"""What a worker tells of its pod after each look: its status, and, once a run, that a container is backed off."""

from __future__ import annotations

from kubette.agent import containers, slots, status
from kubette.agent.health import HealthWatch
from kubette.agent.lifecycle import Plan
from kubette.agent.podstate import PodState
from kubette.agent.slots import Slot


def tell(state: PodState, health: HealthWatch, plan: Plan, now: float, *, refused: bool) -> None:
    """``refused``: this node has never taken the pod."""
    views = {}
    for name, slot in state.slots.items():
        waiting = None
        if name in plan.backing_off:
            waiting = slots.back_off_words(slot, state.words, plan.backing_off[name])
            _tell_back_off(state, slot)
        views[name] = slot.view(health.of(slot), waiting)
    view = status.PodView(
        containers=views,
        now=now,
        ips=state.ips,
        host_ips=state.shared.config.node_ips,
        sandbox=state.prepared is not None,
        initialized=plan.initialized,
        over=plan.done,
        failed=state.failed,
        refused=refused,
    )
    state.reporter.report(status.pod_status({**state.pod, "status": state.reporter.known}, view))


def _tell_back_off(state: PodState, slot: Slot) -> None:
    current, name = slot.current, slot.spec["name"]
    if current is not None and slot.told != current.id:
        slot.told = current.id
        words = f"Back-off restarting failed container {name} in pod {state.words}"
        containers.emitter(state.shared, state.pod, name)("Warning", "BackOff", words)
