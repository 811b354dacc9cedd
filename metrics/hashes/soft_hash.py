"""A differentiable stand-in for a hash: how far each value lies from the threshold, in place of its bit."""

import torch
from torch import Tensor

from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Metric
from perceptbench.metrics.hashes.linear_hash import LinearHash

_NEAR = 0.2
"""Values this near to the threshold, as a share of the median distance from it, count half."""


class SoftHash(Metric):
    """The Hamming distance with u / (1 + |u|) in place of the sign of u = (c - m) / scale; range [0, k].

    Values near the threshold have the steepest slopes, and far ones keep a small one, which tells in which direction
    they would change. The threshold and the scale are taken as constants: each slope then says what its own bit does.

    Args:
        linear: the map that gives c and m.
    """

    def __init__(self, linear: LinearHash) -> None:
        self.linear = linear

    def represent(self, x: Images) -> Tensor:
        values = self.linear.values(x)
        away = values - self.linear.threshold(values.detach())[:, None]
        scale = _NEAR * away.detach().abs().median(1, keepdim=True).values
        u = away / scale.clamp_min(torch.finfo(torch.float32).tiny)
        return u / (1 + u.abs())

    def compare(self, a: Tensor, b: Tensor) -> PerImage:
        """Half from the soft values of a beside the bits of b, half the other way round: symmetric."""
        one, other = (torch.where(soft > 0, 1.0, -1.0).to(soft) for soft in (a, b))
        return ((2 - a * other - b * one).sum(1) / 4).to(torch.float32)

    def __call__(self, x: Images, y: Images) -> PerImage:
        return self.compare(self.represent(x), self.represent(y))
