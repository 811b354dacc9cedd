"""Counts the passes of each sample through the metric, and refuses distances and gradients that are not finite."""

from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective, finite
from perceptbench.core.tensors import Mask, PerImage


@dataclass(frozen=True)
class Tally:
    """Forward and backward passes of each sample (n,): the cost that is reported beside a score."""

    forwards: PerImage
    backwards: PerImage

    @classmethod
    def zeros(cls, n: int) -> "Tally":
        """Before the first pass."""
        return cls(torch.zeros(n), torch.zeros(n))


@dataclass(frozen=True)
class Counted(Objective):
    """An objective that counts the passes of each sample."""

    inner: Objective
    tally: Tally
    index: Tensor

    @property
    def endless(self) -> bool:
        return self.inner.endless

    def loss(self, x: Tensor) -> PerImage:
        self.tally.forwards[self.index] += 1
        loss = finite(self.inner.loss(x), "distance")
        if loss.requires_grad:
            # Here and not in `gradient`, so that passes through an objective that wraps this one are also counted.
            loss.register_hook(self._backwards)
        return loss

    def _backwards(self, _: Tensor) -> None:
        self.tally.backwards[self.index] += 1

    def reached(self, loss: PerImage) -> Mask:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "Counted":
        return Counted(self.inner.select(index), self.tally, self.index[index.cpu()])
