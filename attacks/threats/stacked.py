"""Images that change together, stacked as one; those of a triplet may have a ball each (`--eps-left`)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import per_image, size
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import Ball, fit, within
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, PerImage


def stack(*images: Images) -> Tensor:
    """k images as one (n, 3, k h, w), so that an attack on all of them works on one image."""
    return torch.cat(images, dim=2)


def unstack(x: Tensor, count: int = 3) -> tuple[Tensor, ...]:
    """The images of `stack`: reference, left and right of a triplet, reference and other of a pair."""
    return x.chunk(count, dim=2)


@dataclass(frozen=True)
class Balls(Ball):
    """A ball for each of the three images, stacked as reference, left, right along the height.

    eps is the budget of the reference. The other two keep their budgets at every eps, so a larger eps is a larger set.
    """

    left: float = 0.0
    right: float = 0.0
    rounds: ClassVar[int] = 2

    def size(self, delta: Tensor) -> PerImage:
        reference, left, right = (size(part, self.norm) for part in unstack(delta))
        inside = (left <= self.left) & (right <= self.right)
        return torch.where(inside, reference, torch.inf)

    def serves_all(self, attack: Attack) -> bool:
        """Never: each image is projected into its own budget."""
        return False

    def project(self, theta: Images, x: Images, eps: float) -> Images:
        return self.fit(theta, x, eps)

    def fit(self, theta: Images, x: Images, eps: float) -> Images:
        pairs = zip(unstack(theta), unstack(x), (eps, self.left, self.right), strict=True)
        return stack(*(fit(moved, clean, budget, self.norm) for moved, clean, budget in pairs))

    def search(self, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        """Attack one image at a time, the other two fixed at the best found so far; every attack can do it."""
        ball = Ball(self.norm)
        best, best_loss = x, objective.value(x)
        for turn in range(self.rounds):
            for which, budget in enumerate((eps, self.left, self.right)):
                if budget == 0 or bool(objective.reached(best_loss).all()):
                    continue
                clean = unstack(x)[which]
                own = noise.stream(f"{turn}/{which}")
                found = within(ball, attack, OneOfThree(objective, best, which), clean, budget, own)
                candidate = _replaced(best, which, fit(found, clean, budget, self.norm))
                loss = objective.value(candidate)
                best = torch.where(per_image(loss > best_loss), candidate, best)
                best_loss = torch.maximum(loss, best_loss)
        return best


def separate(threat: ThreatSet, left: float, right: float) -> Balls:
    """A ball for each of three stacked images. Raises UserError for a set that is no ball."""
    if not isinstance(threat, Ball) or type(threat) is not Ball:
        raise UserError("--eps-left and --eps-right are defined for the threats l2 and linf; leave them out")
    return Balls(threat.norm, left, right)


def _replaced(x: Tensor, which: int, part: Images) -> Tensor:
    parts = list(unstack(x))
    parts[which] = part
    return stack(*parts)


@dataclass(frozen=True)
class OneOfThree(Objective):
    """An objective of the stack as an objective of one of its three images."""

    inner: Objective
    around: Images
    which: int

    def loss(self, x: Images) -> PerImage:
        return self.inner.loss(_replaced(self.around, self.which, x))

    def reached(self, loss: PerImage) -> Tensor:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "OneOfThree":
        return OneOfThree(self.inner.select(index), self.around[index], self.which)
