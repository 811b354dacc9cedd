"""The balls of l2 and l-infinity around an image. Here theta is the changed image itself.

If theta were the difference, adding it to the image would round once more. So the image is kept, and the difference is
measured.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Ensemble, Objective
from perceptbench.attacks.norms import change, length, per_image, random_start, size
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage
from perceptbench.core.threat import MOVES, Move, lp_unit

_SHRINK = 1 - 1e-6


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


def project(candidate: Images, x: Images, eps: float, norm: Norm) -> Images:
    """Into the ball of radius eps around x, then into [0, 1], which only moves it closer to x."""
    return project_(candidate.clone(), x, eps, norm)


def project_(candidate: Images, x: Images, eps: float, norm: Norm) -> Images:
    """The same in place: for images, new memory costs more time than the arithmetic."""
    delta = candidate.sub_(x)
    if norm == "l2":
        shrink = (eps / length(delta, "l2").clamp_min(1e-12)).clamp(max=1)
        torch.addcmul(x, delta, per_image(shrink), out=delta)
    else:
        delta.clamp_(-eps, eps).add_(x)
    return delta.clamp_(0, 1)


def fit(candidate: Images, x: Images, eps: float, norm: Norm) -> Images:
    """Project, then shrink by a millionth and a rounding error until the *measured* size is within eps."""
    candidate = project(candidate, x, eps, norm)
    for attempt in range(6):
        measured = size(change(candidate, x), norm)
        if bool((measured <= eps).all()):
            break
        # Rounding x + delta moves a pixel by up to 2^-25, which a relative shrink alone may never undo.
        target = max(eps * _SHRINK - 2.0**-24 * 4**attempt, 0.0)
        factor = torch.where(measured > eps, target / measured, 1.0).to(x)
        # Only the rows that need it: the last bits of a row must not depend on other rows.
        shrunk = (x + (candidate - x) * per_image(factor)).clamp(0, 1)
        candidate = torch.where(per_image(measured > eps), shrunk, candidate)
    return candidate


def ball_of(attack: Attack | Ensemble) -> Ball:
    """The ball of an attack that has a norm. Raises UserError for an attack without one."""
    if attack.norm is None:
        raise UserError(f"{type(attack).__name__} works in any set: say in which")
    return Ball(attack.norm)


def within(ball: Ball, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
    """What an attack finds in a ball; an attack without a norm of its own is given the ball."""
    return attack(objective, x, eps, noise, ball) if attack.norm is None else attack(objective, x, eps, noise)


@threat("l2", source="arXiv:1706.06083")
def l2() -> Ball:
    """The l2 ball over all pixels and channels of an image in [0, 1]."""
    return Ball("l2")


@threat("linf", source="arXiv:1706.06083")
def linf() -> Ball:
    """The l-infinity ball: every value of every pixel within eps."""
    return Ball("linf")
