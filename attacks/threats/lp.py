"""The balls of l2 and l-infinity around an image: theta is the changed image itself.

Adding a change to the image again would round differently, so the image is kept and the change is measured.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Ensemble, Objective
from perceptbench.attacks.norms import change, fit, per_image, project_, random_start, size
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.spec import Norm
from perceptbench.core.tensors import Images, PerImage
from perceptbench.core.threat import MOVES, Move, lp_unit


@dataclass(frozen=True)
class Ball(ThreatSet):
    """All images within eps of x in one norm over all pixels and channels."""

    norm: Norm
    pixels: ClassVar[bool] = True
    moves: ClassVar[tuple[Move, ...]] = MOVES

    @property
    def proof(self) -> Norm:  # type: ignore[override]
        """A radius in this norm is a radius of this set."""
        return self.norm

    @property
    def unit(self) -> str:  # type: ignore[override]
        """As axes and notes of tables say it."""
        return lp_unit(self.norm)

    def start(self, x: Images, eps: float, noise: Noise | None) -> Images:
        return x.clone() if noise is None else random_start(x, eps, self.norm, noise)

    def apply(self, x: Images, theta: Images) -> Images:
        return theta

    def project(self, theta: Images, x: Images, eps: float) -> Images:
        return project_(theta, x, eps, self.norm)

    def measure(self, x: Images, theta: Images) -> PerImage:
        return self.size(change(theta, x))

    def size(self, delta: Tensor) -> PerImage:
        """The smallest eps whose ball holds each change, in float64."""
        return size(delta, self.norm)

    def shrink(self, theta: Images, x: Images, share: PerImage) -> Images:
        return torch.lerp(x, theta, per_image(share))

    def fit(self, theta: Images, x: Images, eps: float) -> Images:
        return fit(theta, x, eps, self.norm)

    def anywhere(self, theta: Images, x: Images) -> Images:
        return theta.clamp(0, 1)

    def serves_all(self, attack: Attack) -> bool:
        return attack.minimal

    def search(self, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        return within(self, attack, objective, x, eps, noise)


def ball_of(attack: Attack | Ensemble) -> Ball:
    """The ball of an attack that has a norm of its own. Raises UserError for one that wants to be told its set."""
    if attack.norm is None:
        raise UserError(f"{type(attack).__name__} works in any set: say in which")
    return Ball(attack.norm)


def within(ball: Ball, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
    """An attack with a norm of its own works in its ball; one that works in every set is told this one."""
    return attack(objective, x, eps, noise, ball) if attack.norm is None else attack(objective, x, eps, noise)


@threat("l2", source="arXiv:1706.06083")
def l2() -> Ball:
    """The l2 ball over all pixels and channels of an image in [0, 1]."""
    return Ball("l2")


@threat("linf", source="arXiv:1706.06083")
def linf() -> Ball:
    """The l-infinity ball: every value of every pixel within eps."""
    return Ball("linf")
