"""Momentum of gradients (MI-FGSM, Dong et al., CVPR 2018, arXiv:1710.06081): changes that other metrics share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import power_of_two, spread
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, Mask, PerImage


@dataclass
class Momentum(Objective):
    """An objective whose gradient is g <- decay g + gradient / |gradient|_1 (equation 6), from one call to the next.

    It belongs to one search: each call of `gradient` is a step.

    Args:
        inner: the objective that is climbed.
        decay: the paper's mu; 1 adds up all gradients, 0 keeps the last one.
    """

    inner: Objective
    decay: float
    memory: Tensor | None = None

    @property
    def endless(self) -> bool:
        return self.inner.endless

    def loss(self, x: Tensor) -> PerImage:
        return self.inner.loss(x)

    def gradient(self, x: Tensor) -> tuple[PerImage, Tensor]:
        loss, gradient = self.inner.gradient(x)
        unit = gradient * spread(power_of_two(gradient), gradient)
        size = unit.abs().flatten(1).sum(1)
        unit = unit / spread(torch.where(size > 0, size, 1.0), unit)
        self.memory = unit if self.memory is None else self.decay * self.memory + unit
        return loss, self.memory

    def value(self, x: Tensor) -> PerImage:
        return self.inner.value(x)

    def reached(self, loss: PerImage) -> Mask:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "Momentum":
        memory = None if self.memory is None else self.memory[index]
        return Momentum(self.inner.select(index), self.decay, memory)


@dataclass(frozen=True)
class WithMomentum(Attack):
    """Another attack, which follows these gradients in place of those of the objective."""

    inner: Attack
    decay: float

    @property
    def norm(self) -> Norm | None:  # type: ignore[override]
        return self.inner.norm

    def __call__(
        self, objective: Objective, x: Images, eps: float, noise: Noise, within: ThreatSet | None = None
    ) -> Tensor:
        sought = Momentum(objective, self.decay)
        return self.inner(sought, x, eps, noise, within) if self.norm is None else self.inner(sought, x, eps, noise)
