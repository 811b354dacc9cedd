"""Gradients estimated from losses alone, by differences across random changes (arXiv:1804.08598, section 2.1).

A change of the image by a good part of the budget looks over roundings and small steps, on which slopes say nothing.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.attacks.around import Around
from perceptbench.attacks.base import Objective
from perceptbench.attacks.norms import per_length, spread
from perceptbench.attacks.other_gradients.along import OtherGradient
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import PerImage

_CELLS = (1, 4, 16)
"""Pixels of the cells that change together, in turn: metrics that blur do not feel single pixels."""


@dataclass(frozen=True)
class ByDifferences(OtherGradient):
    """The mean over `draws` random changes u of (loss(x + u) - loss(x - u)) u.

    Args:
        draws: changes for each gradient, two losses each.
        share: the size of a change, as a share of the budget.
    """

    needs_gradient: ClassVar[bool] = False
    draws: int = 16
    share: float = 0.5

    def seen(self, objective: Objective, eps: float, norm: Norm, noise: Noise) -> Objective:
        return Estimated(objective, self.draws, self.share * eps, norm, noise)


@dataclass(frozen=True)
class Estimated(Around):
    """An objective whose gradient is estimated from its losses.

    Args:
        size: of a change, in its norm.
    """

    draws: int
    size: float
    norm: Norm
    noise: Noise

    @torch.no_grad()
    def gradient(self, x: Tensor) -> tuple[PerImage, Tensor]:
        found = torch.zeros_like(x)
        for draw in range(self.draws):
            way = self._way(x, _CELLS[draw % len(_CELLS)])
            ahead, behind = (self.inner.value(_inside(x + sign * way)) for sign in (1, -1))
            found += spread(ahead - behind, x) * way
        return self.inner.value(x), found / self.draws

    def select(self, index: Tensor) -> "Estimated":
        return Estimated(self.inner.select(index), self.draws, self.size, self.norm, self.noise.select(index))

    def _way(self, x: Tensor, cell: int) -> Tensor:
        """A random change of this size (n, ...), the same within cells of an image."""
        if x.ndim != 4 or x.shape[1] != 3 or cell > min(x.shape[-2:]) // 2:
            draw = self.noise.normal(x)
        else:
            height, width = x.shape[-2:]
            coarse = self.noise.normal(x.new_empty(len(x), 3, -(-height // cell), -(-width // cell)))
            draw = F.interpolate(coarse, scale_factor=cell)[..., :height, :width]
        return self.size * draw.sign() if self.norm == "linf" else draw * spread(per_length(self.size, draw), draw)


def _inside(x: Tensor) -> Tensor:
    """Images stay in [0, 1]; the theta of another threat is projected where it is applied."""
    return x.clamp(0, 1) if x.ndim == 4 and x.shape[1] == 3 else x
