"""What a pod's sandbox is made from."""

from __future__ import annotations

from kubette.agent import sandbox


def test_every_pod_has_a_limit_of_processes() -> None:
    pod = {"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": {"hostNetwork": True}}
    spec = sandbox.sandbox_spec(pod, "h")
    assert (spec.pids_limit, spec.host_network, spec.host_ipc) == (4096, True, False)
