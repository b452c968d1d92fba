"""The explicit list of rules, in the order in which they are asked: the cheap and final ones first."""

from __future__ import annotations

from kubette.scheduler.plugins.affinity import NodeAffinity
from kubette.scheduler.plugins.balance import LeastAllocated
from kubette.scheduler.plugins.podaffinity import PodAffinity
from kubette.scheduler.plugins.ports import HostPorts
from kubette.scheduler.plugins.resources import Resources
from kubette.scheduler.plugins.siblings import Siblings
from kubette.scheduler.plugins.spread import TopologySpread
from kubette.scheduler.plugins.taints import Taints
from kubette.scheduler.plugins.unschedulable import Unschedulable
from kubette.scheduler.plugins.volumes import Volumes
from kubette.scheduler.rule import Rule

RULES: tuple[Rule, ...] = (
    Unschedulable(),
    Taints(),
    NodeAffinity(),
    HostPorts(),
    Resources(),
    Volumes(),
    TopologySpread(),
    PodAffinity(),
    Siblings(),
    LeastAllocated(),
)
