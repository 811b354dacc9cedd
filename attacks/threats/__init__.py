"""Sets of changes that an attacker may choose from, one file each; the `l2` and `linf` balls are one file.

Here: how a change is described (theta), applied to images, measured, and projected into the set. Not here: which images
move (core/threat.py), how the set is searched (the attacks), what is asked of the metric (tasks/).

    from perceptbench.attacks.threats.base import ThreatSet, threat

    @threat("brightness", source="folklore")
    class Brightness(ThreatSet):
        unit = "grey levels of 1"
        def start(self, x, eps, noise): return x.new_zeros(len(x), 1) if noise is None else ...
        def apply(self, x, theta): return (x + theta[:, :, None, None]).clamp(0, 1)
        def project(self, theta, x, eps): return theta.clamp_(-eps, eps)
        def measure(self, x, theta): return theta[:, 0].abs().double()
        def shrink(self, theta, x, share): return theta * share[:, None]
"""
