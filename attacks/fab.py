"""Fast Adaptive Boundary (Croce & Hein, ICML 2020, arXiv:1907.02044) for two classes.

With two classes there is one decision boundary, loss(z) = 0. Each step projects the current point and the clean image
onto the linearised boundary *within [0, 1]* and moves to a mixture of both projections. After it has crossed the
boundary it steps back towards the clean image. It looks for the smallest flip, so one run serves every eps.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.norms import dot, each, length, per_image, power_of_two, random_start
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage

_MOST_PASSES = 15
_CLOSE_ENOUGH = 1e-3
"""As a share of the way to the plane. More precision would be lost: the step overshoots by 5 % anyway."""


def project_on_plane(point: Images, gradient: Images, level: PerImage, norm: Norm) -> tuple[Images, Images]:
    """The nearest z in [0, 1] with <gradient, z - point> = level (or as far as the box allows), and z - point.

    In both norms z = clip(point + t v), where v is the gradient (l2) or its sign (linf). <gradient, z - point> is a
    concave function of t through zero, so the update t <- t * level / <gradient, z - point> approaches the solution
    from below and never overshoots. The result is that of the sorting in section 3.2 of the paper, in a few passes
    over the pixels. Where the gradient is zero, z is the point itself.
    """
    direction = gradient if norm == "l2" else gradient.sign()
    # Signed: t is negative where the plane lies on the other side.
    slope = dot(gradient, direction)
    t = torch.where(slope > 0, level / slope, 0.0)
    z, way = torch.empty_like(point), torch.empty_like(point)
    for _ in range(_MOST_PASSES):
        torch.addcmul(point, direction, per_image(t), out=z).clamp_(0, 1)
        # Subtract first: the inner products themselves are hundreds of times larger than their difference.
        gained = dot(gradient, torch.sub(z, point, out=way))
        factor = torch.where(gained * level > 0, level / gained, 1.0)
        if bool((factor <= 1 + _CLOSE_ENOUGH).all()):
            break
        # Rows that have arrived do not change any more, so a row does not depend on the rest of the batch.
        t = t * torch.where(factor > 1 + _CLOSE_ENOUGH, factor.clamp(1, 10), 1.0)
    return z, way


@dataclass(frozen=True)
class FAB(Attack):
    """FAB in the norm that a subclass states.

    Args:
        alpha_max: the largest weight of the clean image's projection in the mixture.
        eta: how far a projection overshoots the plane; 1 for not at all.
        beta: what is kept of the change in a step back towards the clean image.
    """

    norm: ClassVar[Norm]
    minimal: ClassVar[bool] = True
    steps: int = 100
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9

    def __post_init__(self) -> None:
        if not (self.eta >= 1 and 0 < self.beta < 1 and self.alpha_max <= 1):
            raise UserError(f"fab wants eta of at least 1, beta between 0 and 1, alpha_max of at most 1, got {self}")

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        best, best_size = x.clone(), torch.full_like(x[:, 0, 0, 0], torch.inf)
        # At half the budget, where the restarts of the original begin.
        current = random_start(x, eps / 2, self.norm, noise)
        for _ in range(self.steps):
            loss, gradient = objective.gradient(current)
            crossed = objective.reached(loss)
            # Only their ratio counts.
            power = power_of_two(gradient)
            loss, gradient = loss * power, gradient * per_image(power)
            offset = current - x
            ahead = dot(gradient, offset)
            if bool(crossed.any()):
                distance = length(offset, self.norm)
                better = crossed & (distance < best_size)
                best[better], best_size[better] = current[better], distance[better]
            # Across the boundary: step back towards the clean image, and use the linearisation found here once more.
            kept = torch.where(crossed, self.beta, 1.0)
            current = torch.addcmul(x, offset, per_image(kept), out=offset)
            current = each(self._step, x, current, gradient, loss - (1 - kept) * ahead, loss - ahead)
        better = objective.reached(objective.value(current)) & (length(current - x, self.norm) < best_size)
        return self._bisect(objective, x, torch.where(per_image(better), current, best))

    def _step(self, x: Images, current: Images, gradient: Images, at_current: PerImage, at_x: PerImage) -> Images:
        """A point just across the plane, from the linearised losses at both points. It overwrites `current`."""
        from_current, way = project_on_plane(current, gradient, -at_current, self.norm)
        near = length(way, self.norm)
        from_x, way = project_on_plane(x, gradient, -at_x, self.norm)
        far = length(way, self.norm)
        share = (near / (near + far).clamp_min(1e-12)).clamp(max=self.alpha_max)
        # Move both beyond the plane by the overshoot, then mix them, in place.
        beyond_x = torch.lerp(x, from_x, self.eta, out=from_x)
        return current.lerp_(from_current, self.eta).lerp_(beyond_x, per_image(share)).clamp_(0, 1)

    def _bisect(self, objective: Objective, x: Images, found: Images) -> Images:
        """Shorten the change from the clean image to the flip by bisection, in three steps."""
        low, high = (torch.full((len(x),), value, device=x.device) for value in (0.0, 1.0))
        for _ in range(3):
            middle = (low + high) / 2
            flipped = objective.reached(objective.value(torch.lerp(x, found, per_image(middle))))
            low, high = torch.where(flipped, low, middle), torch.where(flipped, middle, high)
        return torch.lerp(x, found, per_image(high))


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
