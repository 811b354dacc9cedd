"""Metrics with a proved Lipschitz constant: LipSim's own network, and the network of its paper.

Here: the metric, its network and shape, checkpoints. `layers` has what the network is made of. Not here: training
(`training/lipsim`), radii (`certifiers`, `metrics/spaces`).

    lipsim = metric.build(Ref.parse("lipsim"))
    exact = lipsim.double()                       # the same network in float64, for proofs
"""
