"""Fast Adaptive Boundary (Croce & Hein, ICML 2020, arXiv:1907.02044) for two classes.

With two classes there is one decision boundary, loss(z) = 0. Each step projects the current point
and the original onto its linearisation *within [0, 1]*, moves to a mixture of both, and steps back
towards the original once the boundary is crossed. It looks for the smallest flip, so one run
serves every eps.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from attacks.base import Goal, Objective, attack
from attacks.norms import per_image, random_start, size
from core.noise import Noise
from core.spec import Norm
from core.tensors import Images, PerImage

_NEWTON_STEPS = 15
_CLOSE_ENOUGH = 1e-4


def project_on_plane(point: Images, gradient: Images, level: PerImage, norm: Norm) -> Images:
    """The nearest z in [0, 1] with <gradient, z - point> = level (or as far as the box allows).

    In both norms z = clip(point + t v) with v the gradient (l2) or its sign (linf), where t >= 0
    solves an increasing, concave, piecewise linear equation: Newton's steps from 0 never overshoot.
    Same result as the sorting of section 3.2 of the paper, in a few passes over the pixels.
    """
    gradient = gradient * per_image(torch.where(level < 0, -1.0, 1.0).to(point))
    level = level.abs()
    direction = gradient if norm == "l2" else gradient.sign()
    t, z = torch.zeros_like(level), point
    for _ in range(_NEWTON_STEPS):
        missing = level - (gradient * (z - point)).sum((1, 2, 3))
        if bool((missing <= _CLOSE_ENOUGH * level).all()):
            break
        free = torch.where(direction > 0, z < 1, z > 0)
        slope = (gradient * direction * free).sum((1, 2, 3))
        t = t + torch.where(slope > 0, missing / slope.clamp_min(1e-30), torch.zeros_like(t))
        z = (point + per_image(t) * direction).clamp(0, 1)
    return z


@dataclass(frozen=True)
class FAB:
    """Args: overshoot `eta`, at most `alpha_max` of the original's projection, `beta` of the way back."""

    norm: ClassVar[Norm]
    goal: ClassVar[Goal] = "flip"
    minimal: ClassVar[bool] = True
    steps: int = 100
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        best, best_size = x.clone(), torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        # Half the budget away, as upstream's restarts begin.
        current = random_start(x, eps / 2, self.norm, noise)
        for _ in range(self.steps):
            loss, gradient = objective.gradient(current)
            crossed = objective.reached(loss)
            distance = size(current - x, self.norm)
            better = crossed & (distance < best_size)
            best = torch.where(per_image(better), current, best)
            best_size = torch.where(better, distance, best_size)
            # Once across, go back towards the original; the linearisation found here still serves.
            back = torch.where(per_image(crossed), x + self.beta * (current - x), current)
            current = self._step(x, back, loss + (gradient * (back - current)).sum((1, 2, 3)), gradient)
        better = objective.reached(objective.value(current)) & (size(current - x, self.norm) < best_size)
        return self._bisect(objective, x, torch.where(per_image(better), current, best))

    def _step(self, x: Images, current: Images, loss: PerImage, gradient: Images) -> Images:
        """From `current`, where the linearised loss is `loss`, to just across the plane."""
        at_x = loss + (gradient * (x - current)).sum((1, 2, 3))
        from_current = project_on_plane(current, gradient, -loss, self.norm)
        from_x = project_on_plane(x, gradient, -at_x, self.norm)
        near = size(from_current - current, self.norm)
        far = size(from_x - x, self.norm)
        share = per_image((near / (near + far).clamp_min(1e-12)).clamp(max=self.alpha_max).to(x))
        mixed = (1 - share) * (current + self.eta * (from_current - current))
        return (mixed + share * (x + self.eta * (from_x - x))).clamp(0, 1)

    def _bisect(self, objective: Objective, x: Images, found: Images) -> Images:
        """Shorten the way from the original to the flip found: three halvings."""
        low, high = (torch.full((len(x),), value, device=x.device) for value in (0.0, 1.0))
        for _ in range(3):
            middle = (low + high) / 2
            flipped = objective.reached(objective.value(x + per_image(middle) * (found - x)))
            low, high = torch.where(flipped, low, middle), torch.where(flipped, middle, high)
        return x + per_image(high) * (found - x)


@attack("l2-fab", source="arXiv:1907.02044")
@dataclass(frozen=True)
class L2FAB(FAB):
    """Fast adaptive boundary in l2: looks for the smallest flip."""

    norm: ClassVar[Norm] = "l2"


@attack("linf-fab", source="arXiv:1907.02044")
@dataclass(frozen=True)
class LinfFAB(FAB):
    """Fast adaptive boundary in l-infinity: looks for the smallest flip."""

    norm: ClassVar[Norm] = "linf"
