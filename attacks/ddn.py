"""Decoupled Direction and Norm (Rony et al., CVPR 2019, arXiv:1811.09600).

The direction follows the gradient. The norm follows the answer alone: it shrinks after a flip and grows otherwise. The
margin takes the place of the cross-entropy, whose normalised gradient is the same.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.norms import length, per_image, per_length, power_of_two
from perceptbench.attacks.smallest import Smallest, annealed
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images

_FIRST_STEP, _LAST_STEP = 1.0, 0.01


@attack("l2-ddn", source="arXiv:1811.09600")
@dataclass(frozen=True)
class DDN(Attack):
    """Decoupled direction and norm in l2: looks for the smallest flip.

    Algorithm 1 of the paper, but pixels are not rounded. Steps of the direction shrink from 1 to 0.01 along a cosine.
    No norm below init_norm (1 - gamma)^steps is tried, which is 0.006 by default.

    Args:
        init_norm: the first norm, in pixel units.
        gamma: the norm is multiplied by 1 - gamma after a flip, else by 1 + gamma.
    """

    norm: ClassVar[Norm] = "l2"
    minimal: ClassVar[bool] = True
    random: ClassVar[bool] = False
    steps: int = 100
    init_norm: float = 1.0
    gamma: float = 0.05

    def __post_init__(self) -> None:
        if not (0 < self.gamma < 1 and self.init_norm > 0):
            raise UserError(f"l2-ddn wants gamma between 0 and 1 and init_norm above 0, got {self}")

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        smallest = Smallest.none_yet(x)
        # Two more images for each sample, updated in place, so that the cost stays that of the metric's passes.
        current, delta = x.clone(), torch.zeros_like(x)
        radius = torch.full_like(smallest.size, self.init_norm)
        for i in range(self.steps):
            loss, gradient = objective.gradient(current)
            flipped = objective.reached(loss)
            smallest.update(current, length(delta, "l2"), flipped)
            if smallest.settled:
                return smallest.best
            radius *= torch.where(flipped, 1 - self.gamma, 1 + self.gamma)
            step = annealed(_FIRST_STEP, _LAST_STEP, i, self.steps)
            gradient = gradient * per_image(power_of_two(gradient))
            delta.addcmul_(gradient, per_image(per_length(step, gradient)))
            delta *= per_image(radius / length(delta, "l2").clamp_min(1e-12))
            torch.add(x, delta, out=current).clamp_(0, 1)
            torch.sub(current, x, out=delta)
        smallest.update(current, length(delta, "l2"), objective.reached(objective.value(current)))
        return smallest.best
