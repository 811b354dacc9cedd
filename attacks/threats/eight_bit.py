"""Images as a PNG file stores them, with 8 bits a channel (`--quantize 8bit`)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import change, per_image
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import Ball
from perceptbench.attacks.threats.stacked import Balls
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage
from perceptbench.core.threat import MOVES, Move

LEVELS = 255
_HALVINGS = 12
_STRETCH = 4.0


def on_grid(x: Images) -> Images:
    """The nearest image that 8 bits a channel can hold."""
    return (x * LEVELS).round() / LEVELS


@dataclass(frozen=True)
class EightBit(ThreatSet):
    """The images of a ball that a PNG can store."""

    ball: Ball
    pixels: ClassVar[bool] = True
    moves: ClassVar[tuple[Move, ...]] = MOVES

    @property
    def norm(self) -> Norm:  # type: ignore[override]
        return self.ball.norm

    @property
    def proof(self) -> Norm:  # type: ignore[override]
        return self.ball.proof

    @property
    def unit(self) -> str:  # type: ignore[override]
        return self.ball.unit

    def start(self, x: Images, eps: float, noise: Noise | None) -> Images:
        return self.ball.start(x, eps, noise)

    def apply(self, x: Images, theta: Images) -> Images:
        return theta

    def project(self, theta: Images, x: Images, eps: float) -> Images:
        return self.ball.project(theta, x, eps)

    def measure(self, x: Images, theta: Images) -> PerImage:
        """The size (n,), with each value rounded to whole levels of 1/255: float32 stores them with an error."""
        return self.ball.size((change(theta, x) * LEVELS).round() / LEVELS)

    def shrink(self, theta: Images, x: Images, share: PerImage) -> Images:
        return self.ball.shrink(theta, x, share)

    def fit(self, theta: Images, x: Images, eps: float) -> Images:
        """The largest multiple of the change whose rounded form is within eps, by bisection.

        Rounding may shorten a change or remove it, so in l2 up to four times the change is tried.
        """
        candidate = self.ball.fit(theta, x, eps)
        low = torch.zeros_like(x[:, 0, 0, 0])
        high = torch.full_like(low, _STRETCH if self.norm == "l2" else 1.0)
        top, best, scale = high, x, torch.ones_like(low)
        for _ in range(_HALVINGS):
            rounded = on_grid(torch.lerp(x, candidate, per_image(scale)).clamp_(0, 1))
            inside = self.measure(x, rounded) <= eps
            best = torch.where(per_image(inside), rounded, best)
            low, high = torch.where(inside, scale, low), torch.where(inside, high, scale)
            if bool((low == top).all()):
                break
            scale = (low + high) / 2
        return best

    def anywhere(self, theta: Images, x: Images) -> Images:
        return on_grid(self.ball.anywhere(theta, x))

    def serves_all(self, attack: Attack) -> bool:
        return self.ball.serves_all(attack)

    def search(self, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        judged = AsPNG(objective, self, x, None if self.serves_all(attack) else eps)
        return self.ball.search(attack, judged, x, eps, noise)


def rounded(threat: ThreatSet) -> EightBit:
    """The 8-bit images of a set. Raises UserError for a set that is no ball."""
    if not isinstance(threat, Ball) or type(threat) not in (Ball, Balls):
        raise UserError("--quantize 8bit is defined for the threats l2 and linf; leave it out")
    return EightBit(threat)


@dataclass(frozen=True)
class AsPNG(Objective):
    """Another objective at the 8-bit image that will be judged; the gradient treats the rounding as the identity."""

    inner: Objective
    threat: EightBit
    x: Images
    eps: float | None

    @property
    def endless(self) -> bool:
        return self.inner.endless

    def loss(self, x: Images) -> PerImage:
        plain = x.detach()
        judged = self.threat.anywhere(plain, self.x) if self.eps is None else self.threat.fit(plain, self.x, self.eps)
        return self.inner.loss(x + (judged - plain))

    def reached(self, loss: PerImage) -> Tensor:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "AsPNG":
        return AsPNG(self.inner.select(index), self.threat, self.x[index], self.eps)
