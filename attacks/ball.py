"""The set an attacker may choose from: how a change is measured, fitted into it, and searched for."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import change, fit, per_image, size
from perceptbench.core.noise import Noise
from perceptbench.core.spec import Norm
from perceptbench.core.tensors import Images, PerImage

LEVELS = 255
_HALVINGS = 12
_STRETCH = 4.0


def on_grid(x: Images) -> Images:
    """The nearest image that 8 bits a channel can hold."""
    return (x * LEVELS).round() / LEVELS


@dataclass(frozen=True)
class Ball:
    """All images within eps of x in one norm; with `quantized`, those among them that a PNG can hold."""

    norm: Norm
    quantized: bool = False

    def measure(self, delta: Tensor) -> PerImage:
        """The smallest eps whose ball holds each change, in float64."""
        return size(self._levels(delta), self.norm)

    def serves_all(self, attack: Attack) -> bool:
        """Whether one call of this attack answers for every eps."""
        return attack.minimal

    def _levels(self, delta: Tensor) -> Tensor:
        """A change between 8-bit images is a whole number of levels, whatever float32 made of it."""
        return (delta.double() * LEVELS).round() / LEVELS if self.quantized else delta

    def fit(self, candidate: Images, x: Images, eps: float) -> Images:
        """The candidates, moved towards x as far as they must be to lie inside."""
        fitted = self._fit(candidate, x, eps)
        return self._on_grid_within(fitted, x, eps) if self.quantized else fitted

    def image(self, candidate: Images) -> Images:
        """The candidates as images, whatever their distance from x."""
        clipped = candidate.clamp(0, 1)
        return on_grid(clipped) if self.quantized else clipped

    def search(self, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        """What the attack finds around x."""
        return attack(self._judged(objective, x, eps, attack), x, eps, noise)

    def _judged(self, objective: Objective, x: Images, eps: float, attack: Attack) -> Objective:
        """The goal as the images it will be judged by reach it."""
        return _AsPNG(objective, self, x, None if self.serves_all(attack) else eps) if self.quantized else objective

    def _fit(self, candidate: Images, x: Images, eps: float) -> Images:
        return fit(candidate, x, eps, self.norm)

    def _on_grid_within(self, candidate: Images, x: Images, eps: float) -> Images:
        """The largest multiple of the change whose rounded form fits, by bisection.

        Rounding lengthens a long change and swallows a short one: in l2 up to fourfold is tried.
        """
        low = torch.zeros_like(x[:, 0, 0, 0])
        high = torch.full_like(low, _STRETCH if self.norm == "l2" else 1.0)
        top, best, scale = high, x, torch.ones_like(low)
        for _ in range(_HALVINGS):
            rounded = on_grid(torch.lerp(x, candidate, per_image(scale)).clamp_(0, 1))
            inside = self.measure(change(rounded, x)) <= eps
            best = torch.where(per_image(inside), rounded, best)
            low, high = torch.where(inside, scale, low), torch.where(inside, high, scale)
            if bool((low == top).all()):
                break
            scale = (low + high) / 2
        return best


@dataclass(frozen=True)
class Balls(Ball):
    """A ball for each of the three images, stacked as reference, left, right along the height.

    eps is that of the reference; the others keep theirs at every eps, so a larger eps is a larger set.
    """

    left: float = 0.0
    right: float = 0.0
    rounds: ClassVar[int] = 2

    def measure(self, delta: Tensor) -> PerImage:
        reference, left, right = (size(part, self.norm) for part in unstack(self._levels(delta)))
        within = (left <= self.left) & (right <= self.right)
        return torch.where(within, reference, torch.inf)

    def serves_all(self, attack: Attack) -> bool:
        """Never: each image is cut to its budget."""
        return False

    def search(self, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        """Block by block, the other two images held where they were found best; any attack serves."""
        objective = self._judged(objective, x, eps, attack)
        best, best_loss = x, objective.value(x)
        for turn in range(self.rounds):
            for which, budget in enumerate((eps, self.left, self.right)):
                if budget == 0 or bool(objective.reached(best_loss).all()):
                    continue
                clean = unstack(x)[which]
                found = attack(_OneOfThree(objective, best, which), clean, budget, noise.stream(f"{turn}/{which}"))
                candidate = _replaced(best, which, fit(found, clean, budget, self.norm))
                loss = objective.value(candidate)
                best = torch.where(per_image(loss > best_loss), candidate, best)
                best_loss = torch.maximum(loss, best_loss)
        return best

    def _fit(self, candidate: Images, x: Images, eps: float) -> Images:
        pairs = zip(unstack(candidate), unstack(x), (eps, self.left, self.right), strict=True)
        return stack(*(fit(moved, clean, budget, self.norm) for moved, clean, budget in pairs))


def stack(reference: Images, left: Images, right: Images) -> Tensor:
    """Three images as one, (n, 3, 3 h, w): what moves all of them sees one image."""
    return torch.cat((reference, left, right), dim=2)


def unstack(x: Tensor) -> tuple[Tensor, ...]:
    """Reference, left and right of `stack`."""
    return x.chunk(3, dim=2)


def _replaced(x: Tensor, which: int, part: Images) -> Tensor:
    parts = list(unstack(x))
    parts[which] = part
    return stack(*parts)


@dataclass(frozen=True)
class _OneOfThree(Objective):
    """The goal as one of the three images sees it."""

    inner: Objective
    around: Images
    which: int

    def loss(self, x: Images) -> PerImage:
        return self.inner.loss(_replaced(self.around, self.which, x))

    def reached(self, loss: PerImage) -> Tensor:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "_OneOfThree":
        return _OneOfThree(self.inner.select(index), self.around[index], self.which)


@dataclass(frozen=True)
class _AsPNG(Objective):
    """Another goal, at the 8-bit image that will be judged; gradients pass the rounding as if it were not there."""

    inner: Objective
    ball: Ball
    x: Images
    eps: float | None

    @property
    def endless(self) -> bool:
        return self.inner.endless

    def loss(self, x: Images) -> PerImage:
        plain = x.detach()
        judged = self.ball.image(plain) if self.eps is None else self.ball.fit(plain, self.x, self.eps)
        return self.inner.loss(x + (judged - plain))

    def reached(self, loss: PerImage) -> Tensor:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "_AsPNG":
        return _AsPNG(self.inner.select(index), self.ball, self.x[index], self.eps)
