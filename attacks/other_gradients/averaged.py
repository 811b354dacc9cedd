"""Gradients and losses averaged over draws, for a metric that draws anew at each call (arXiv:1707.07397: EoT)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.other_gradients.along import Around, OtherGradient
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import PerImage


@dataclass(frozen=True)
class Averaged(OtherGradient):
    """The mean over `draws` calls."""

    draws: int = 10

    def seen(self, objective: Objective, eps: float, norm: Norm, noise: Noise) -> Objective:
        return Expected(objective, self.draws)


@dataclass(frozen=True)
class Expected(Around):
    """An objective that asks another one several times: a success is one of the mean, and no lucky draw."""

    draws: int

    def loss(self, x: Tensor) -> PerImage:
        return torch.stack([self.inner.loss(x) for _ in range(self.draws)]).mean(0)

    def gradient(self, x: Tensor) -> tuple[PerImage, Tensor]:
        """One call after the other, so that memory is that of one."""
        losses, gradients = zip(*(self.inner.gradient(x) for _ in range(self.draws)), strict=True)
        return torch.stack(losses).mean(0), torch.stack(gradients).mean(0)

    def select(self, index: Tensor) -> "Expected":
        return Expected(self.inner.select(index), self.draws)
