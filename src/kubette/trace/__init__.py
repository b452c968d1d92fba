"""Explains a path: what happens to a packet from a pod, a node or outside to a Service, a URL or an address, and why.

    question  what was asked: a source and a target         world    the cluster's objects at one moment
    goals     the source and the addresses that are meant   names    a host name → addresses, as cluster DNS says
    ways      one packet through one node's service table   reasons  why no pod answers
    explain   all of it: a question → a Trace (report)      text     a Trace for people
    kernel    whether a node's kernel holds that table      listening  whether a process listens at the end

It runs the pure functions of proxy, DNS and ingress over the objects, so that its answer is what they do; therefore it
lies above the components, and not beside them. Nothing is sent to the cluster's pods, and nothing is changed.
"""

from __future__ import annotations

from kubette.trace.explain import explain
from kubette.trace.question import Source, Target, TraceError, parse_source, parse_target
from kubette.trace.report import Trace
from kubette.trace.world import World, read

__all__ = ["Source", "Target", "Trace", "TraceError", "World", "explain", "parse_source", "parse_target", "read"]
