"""The goal of a metric without a gradient, climbed along the gradient of its surrogate and judged by the metric itself.

An attack sees one loss. It is that of the surrogate where both agree on whether the goal is reached, and the metric
has the last word where they do not. So attacks learn nothing of surrogates, and no success counts that the metric
denies.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.core.tensors import Mask, PerImage
from perceptbench.metrics.base import Metric

_BARELY = 1e-3


@dataclass(frozen=True)
class Guided(Objective):
    """One goal as two losses.

    Args:
        own: of the metric, without a gradient.
        guide: of the surrogate, in the same unit.
        followed: the surrogate itself.
    """

    own: Objective
    guide: Objective
    followed: Metric

    @property
    def surrogate(self) -> Metric:
        return self.followed

    @property
    def endless(self) -> bool:
        return self.own.endless

    def loss(self, x: Tensor) -> PerImage:
        soft = self.guide.loss(x)
        if self.endless:
            return soft
        reached = self.own.reached(self.own.value(x))
        corrected = torch.where(reached, soft.clamp_min(_BARELY), soft.clamp_max(-_BARELY))
        return soft + (corrected - soft).detach()

    def reached(self, loss: PerImage) -> Mask:
        return self.own.reached(loss)

    def select(self, index: Tensor) -> "Guided":
        return Guided(self.own.select(index), self.guide.select(index), self.followed)
