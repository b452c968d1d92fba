"""A local cluster on this machine: its processes, and how it comes and goes. What it is: ``kubette.clusterspec``.

    lifecycle   up, down, stop, start              supervisor  starts components, and again when they die
    status      how it is                          processes   finding and ending what is ours
    kubeconfig  the user's contexts                ready       when a cluster may be used
"""
