"""A local cluster on this machine: what it consists of, its processes, and how it comes and goes.

    spec        what a cluster is, and where its files lie      supervisor  starts components, and again when they die
    lifecycle   up, down, stop, start, status                   processes   finding and ending what is ours
    kubeconfig  the user's contexts                             ready       when a cluster may be used
"""
