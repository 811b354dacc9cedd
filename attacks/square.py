"""Square Attack (Andriushchenko et al., ECCV 2020, arXiv:1912.00049): random search, no gradients.

Each query changes one square window. The change is kept where the loss rises. The side of the window follows the
paper's schedule, rescaled to the number of queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.norms import per_image, unit
from perceptbench.attacks.query_window import Window, bump, share_of_pixels, window
from perceptbench.attacks.tracker import Tracker
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage


@dataclass
class Search:
    """The state of the samples under attack.

    `current` is the best image so far. A proposal is written into it and undone where the loss does not rise.
    """

    x: Images
    current: Images
    loss: PerImage
    energy: PerImage
    """|current - x|^2, kept up to date by the windows that change."""

    def select(self, index: Tensor) -> "Search":
        return Search(**{name: value[index] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Square(Attack):
    """`queries` forward passes; `start` is the first share of pixels."""

    norm: ClassVar[Norm]
    needs_gradient: ClassVar[bool] = False
    queries: int = 500
    start: float = 0.8

    def first(self, x: Images, eps: float, noise: Noise) -> Images:
        """The images from which the search starts."""
        raise NotImplementedError

    def side(self, share: float, height: int, width: int) -> int:
        """The side of a window with this share of the pixels."""
        return min(max(round((share * height * width) ** 0.5), 1), height, width)

    def propose(
        self, s: Search, eps: float, windows: Sequence[Window], noise: Noise
    ) -> tuple[Sequence[Window], PerImage]:
        """Write a change within the budget into windows of `s.current`. Returns these windows and the new energy."""
        raise NotImplementedError

    @torch.no_grad()
    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        tracker, common = Tracker(x), noise.common()
        current = self.first(x, eps, noise)
        s = Search(x, current, objective.value(current), (current - x).square().sum((1, 2, 3)))
        height, width = x.shape[-2:]
        for query in range(self.queries):
            done = objective.reached(s.loss)
            if bool(done.any()):
                going = tracker.leave(done, s.current)
                s, objective, noise = s.select(going), objective.select(going), noise.select(going)
            if not tracker.active:
                break
            side = self.side(share_of_pixels(query, self.queries, self.start), height, width)
            windows = [window(common, side, height, width) for _ in range(2)]
            before = [s.current[w].clone() for w in windows]
            written, energy = self.propose(s, eps, windows, noise)
            loss = objective.value(s.current)
            better = loss > s.loss
            for w, old in reversed(list(zip(written, before, strict=False))):
                s.current[w] = torch.where(per_image(better), s.current[w], old)
            s.loss, s.energy = torch.maximum(loss, s.loss), torch.where(better, energy, s.energy)
        tracker.settle(s.current)
        return tracker.best


def _signs(noise: Noise, x: Images, tail: tuple[int, ...]) -> Tensor:
    """Random signs (n, 3, *tail)."""
    draw = noise.uniform(x.new_empty(len(x), x.shape[1], *tail))
    return 2 * (draw < 0.5).to(x) - 1


@attack("linf-square", source="arXiv:1912.00049")
@dataclass(frozen=True)
class LinfSquare(Square):
    """Square attack in l-infinity: windows at +-eps in each channel."""

    norm: ClassVar[Norm] = "linf"

    def first(self, x: Images, eps: float, noise: Noise) -> Images:
        """Vertical stripes of +-eps (section 3.2)."""
        return (x + eps * _signs(noise, x, (1, x.shape[3]))).clamp_(0, 1)

    def propose(
        self, s: Search, eps: float, windows: Sequence[Window], noise: Noise
    ) -> tuple[Sequence[Window], PerImage]:
        here = windows[0]
        s.current[here] = (s.x[here] + eps * _signs(noise, s.x, (1, 1))).clamp_(0, 1)
        return [here], s.energy


@attack("l2-square", source="arXiv:1912.00049")
@dataclass(frozen=True)
class L2Square(Square):
    """Square attack in l2: the budget of one window moves into another (algorithm 3)."""

    norm: ClassVar[Norm] = "l2"

    def side(self, share: float, height: int, width: int) -> int:
        """Odd and at least 3, as in the original, where the image is large enough."""
        side = super().side(share, height, width)
        return min(max(side + 1 - side % 2, 3), height, width)

    def first(self, x: Images, eps: float, noise: Noise) -> Images:
        """A 5 x 5 grid of bumps with random signs (section 3.3)."""
        height, width = x.shape[-2:]
        side = max(min(height, width) // 5, 2)
        delta = torch.zeros_like(x)
        top, left = (height % side) // 2, (width % side) // 2
        for row in range(top, height - side + 1, side):
            for column in range(left, width - side + 1, side):
                delta[:, :, row : row + side, column : column + side] += bump(side).to(x) * _signs(noise, x, (1, 1))
        return (x + eps * unit(delta, "l2")).clamp_(0, 1)

    def propose(
        self, s: Search, eps: float, windows: Sequence[Window], noise: Noise
    ) -> tuple[Sequence[Window], PerImage]:
        here, there = windows
        x, side = s.x[here], s.x[here].shape[-1]
        old = s.current[here] - x
        released = _energy(s.current[there] - s.x[there])
        s.current[there] = s.x[there]
        # Computed after the other window is cleared, so that an overlap is not counted twice.
        released = released + _energy(s.current[here] - x)
        unused = (eps**2 - s.energy).clamp_min(0) / x.shape[1]
        turned = per_image(noise.uniform(x.new_empty(len(x), 1))[:, 0] < 0.5)
        shape = bump(side).to(x)
        new = torch.where(turned, shape.T, shape) * _signs(noise, x, (1, 1)) + _per_channel(old)
        new = _per_channel(new) * (released + per_image(unused)).sqrt()
        s.current[here] = (x + new).clamp_(0, 1)
        energy = s.energy - released.sum((1, 2, 3)) + _energy(s.current[here] - x).sum((1, 2, 3))
        return [here, there], energy


def _energy(delta: Tensor) -> Tensor:
    """Sums of squares by channel (n, 3, 1, 1)."""
    return delta.square().sum((2, 3), keepdim=True)


def _per_channel(delta: Tensor) -> Tensor:
    """Scaled to norm 1 in each channel; zero stays zero."""
    return delta / _energy(delta).sqrt().clamp_min(1e-12)
