"""Fast Minimum-Norm (Pintor et al., NeurIPS 2021, arXiv:2102.12827).

Steps along the gradient, projected into a ball whose radius is searched at the same time. Until the first flip the
radius is where the linearised loss crosses zero. From then on it shrinks after each flip and grows otherwise, by a
share that gets smaller.
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
from perceptbench.core.tensors import Images, PerImage

_ALPHA_SHARE, _LAST_GAMMA = 0.01, 0.001


@dataclass(frozen=True)
class FMN(Attack):
    """Algorithm 1 of the paper, with its loss, the margin. But images are clipped before the projection.

    Args:
        alpha: the l2 length of the first step, in pixel units; the last step has a hundredth of it.
        gamma: the share by which the radius changes at first; 0.001 at the end.
    """

    norm: ClassVar[Norm]
    minimal: ClassVar[bool] = True
    random: ClassVar[bool] = False
    steps: int = 100
    alpha: float = 1.0
    gamma: float = 0.05

    def __post_init__(self) -> None:
        if not (0 < self.gamma < 1 and self.alpha > 0):
            raise UserError(f"fmn wants gamma between 0 and 1 and alpha above 0, got {self}")

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        smallest = Smallest.none_yet(x)
        current, delta = x.clone(), torch.zeros_like(x)
        farthest = length(torch.maximum(x, 1 - x), self.norm)
        radius = torch.full_like(farthest, torch.inf)
        for i in range(self.steps):
            loss, gradient = objective.gradient(current)
            flipped = objective.reached(loss)
            here = length(delta, self.norm)
            smallest.update(current, here, flipped)
            if smallest.settled:
                return smallest.best
            gamma = annealed(self.gamma, min(self.gamma, _LAST_GAMMA), i, self.steps)
            shrunk = torch.minimum(radius * (1 - gamma), smallest.size)
            # Of the gradient only its direction counts, and of the loss its ratio to the gradient.
            power = power_of_two(gradient)
            loss, gradient = loss * power, gradient * per_image(power)
            grown = torch.where(smallest.found, radius * (1 + gamma), here + self._gap(loss, gradient))
            radius = torch.minimum(torch.where(flipped, shrunk, grown), farthest)
            step = annealed(self.alpha, _ALPHA_SHARE * self.alpha, i, self.steps)
            delta.addcmul_(gradient, per_image(per_length(step, gradient)))
            # Clip before the projection: clipped afterwards, the change would be shorter than the radius allows.
            torch.add(x, delta, out=current).clamp_(0, 1)
            torch.sub(current, x, out=delta)
            self._into_ball(delta, radius)
            torch.add(x, delta, out=current).clamp_(0, 1)
        smallest.update(current, length(delta, self.norm), objective.reached(objective.value(current)))
        return smallest.best

    def _gap(self, loss: PerImage, gradient: Images) -> PerImage:
        """How far the linearised loss is from zero: |loss| over the dual norm of its gradient; inf without one."""
        # One image at a time, as in `length`.
        dual = torch.stack([torch.linalg.vector_norm(image, 2 if self.norm == "l2" else 1) for image in gradient])
        return torch.where(dual > 0, loss.abs() / dual, torch.inf)

    def _into_ball(self, delta: Images, radius: PerImage) -> None:
        """Project in place."""
        if self.norm == "l2":
            delta *= per_image((radius / length(delta, "l2").clamp_min(1e-12)).clamp(max=1))
        else:
            torch.clamp(delta, -per_image(radius), per_image(radius), out=delta)


@attack("l2-fmn", source="arXiv:2102.12827")
@dataclass(frozen=True)
class L2FMN(FMN):
    """Fast minimum-norm in l2: looks for the smallest flip."""

    norm: ClassVar[Norm] = "l2"


@attack("linf-fmn", source="arXiv:2102.12827")
@dataclass(frozen=True)
class LinfFMN(FMN):
    """Fast minimum-norm in l-infinity: looks for the smallest flip."""

    norm: ClassVar[Norm] = "linf"
