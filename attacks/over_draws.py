"""The goal of a metric that draws at random: its expectation where gradients are wanted, else its majority.

Expectation over transformation (Athalye et al., ICML 2018, arXiv:1707.07397 and 1802.00420, section 5.3): one draw
gives the slope of noise. And one draw that is lost says little of the answer that the next call gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.core.tensors import Mask, PerImage
from perceptbench.metrics.base import Metric

GRADIENT_DRAWS, VERDICT_DRAWS = 10, 11
"""How many draws a gradient is the mean of, and how many vote for an answer: an odd number, so that there is no tie."""


class _Mean(torch.autograd.Function):
    """The mean loss of several objectives, one after the other, so that memory holds the layers of one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, draws: Sequence[Objective]) -> PerImage:
        found = [one.gradient(x) for one in draws]
        ctx.save_for_backward(torch.stack([gradient for _, gradient in found]).mean(0))
        return torch.stack([loss for loss, _ in found]).mean(0)

    @staticmethod
    def backward(ctx: Any, *upper: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return upper[0].reshape(-1, *(1,) * (gradient.ndim - 1)) * gradient, None


@dataclass(frozen=True)
class OverDraws(Objective):
    """One goal, prepared several times, each time with draws of its own for the images that stay.

    Args:
        draws: an odd number of objectives, each of which draws anew for the image that moves.
    """

    draws: tuple[Objective, ...]

    @property
    def endless(self) -> bool:
        return self.draws[0].endless

    @property
    def surrogate(self) -> Metric | None:
        return self.draws[0].surrogate

    def passes(self, *, gradient: bool) -> int:
        """How many passes through the metric one loss takes."""
        return min(GRADIENT_DRAWS, len(self.draws)) if gradient else len(self.draws)

    def loss(self, x: Tensor) -> PerImage:
        """The mean over draws where a gradient is wanted, and of endless goals; else the median over an odd number of
        draws, which is at the goal where most of them are."""
        if x.requires_grad and torch.is_grad_enabled():
            mean: PerImage = _Mean.apply(x, self.draws[: self.passes(gradient=True)])
            return mean
        losses = torch.stack([one.value(x) for one in self.draws])
        return losses.mean(0) if self.endless else losses.median(0).values

    def reached(self, loss: PerImage) -> Mask:
        return self.draws[0].reached(loss)

    def select(self, index: Tensor) -> "OverDraws":
        return OverDraws(tuple(one.select(index) for one in self.draws))
