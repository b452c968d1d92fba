"""nftables over netlink: tables as data, changes as printable transactions, a kernel and a fake that take both.

Why not the ``nft`` program: starting a process costs more than the change, and its parser is what makes
others slow. Why not libnftables: same parser. Nothing in here knows what a Service is.

    expr, types     what a table is made of            (pure)
    transaction     what may be changed, in order      (pure)
    codec           transaction → netlink bytes        (pure)
    fake, tracer    a kernel in memory, a packet through it
    socket          the kernel
    live            one table kept as it should be, whoever flushes it
    conntrack       deletion of stale flows
"""
