"""Square Attack (Andriushchenko et al., ECCV 2020, arXiv:1912.00049): random search, no gradients.

Each query changes one square window; it is kept where the loss rises. The side of the window
follows the paper's schedule, rescaled to the number of queries.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.base import Goal, Objective, attack
from attacks.norms import per_image, unit
from attacks.tracker import Tracker
from core.noise import Noise
from core.spec import Norm
from core.tensors import Images, PerImage

_SCHEDULE = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_SCHEDULE_LENGTH = 10_000


def share_of_pixels(query: int, queries: int, start: float) -> float:
    """The share p of pixels to change: `start`, halved at each point of the schedule (section 5)."""
    at = query * _SCHEDULE_LENGTH / queries
    return start / 2 ** sum(at > point for point in _SCHEDULE)


def windows(noise: Noise, like: PerImage, side: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Upper left corners (n,), (n,) of one random window for each sample."""
    draw = noise.uniform(like[:, None].expand(-1, 2))
    top = (draw[:, 0] * (height - side + 1)).long()
    return top, (draw[:, 1] * (width - side + 1)).long()


def inside(top: Tensor, left: Tensor, side: int, height: int, width: int) -> Tensor:
    """Masks (n, 1, h, w) of the windows."""
    rows = torch.arange(height, device=top.device)[None, :, None] - top[:, None, None]
    columns = torch.arange(width, device=top.device)[None, None, :] - left[:, None, None]
    return ((rows >= 0) & (rows < side) & (columns >= 0) & (columns < side))[:, None]


def bump(side: int) -> Tensor:
    """The paper's eta (section 3.3, figure 3): two rectangular pyramids of opposite sign, norm 1.

    Returns (side, side); the sign changes across the middle row.
    """
    half = side // 2
    shape = torch.zeros(side, side)
    for rows, sign in ((slice(0, half), 1.0), (slice(half, side), -1.0)):
        height = rows.stop - rows.start
        shape[rows] = sign * _pyramid(height, side)
    return shape / shape.norm().clamp_min(1e-12)


def _pyramid(height: int, width: int) -> Tensor:
    """Nested rectangles around the centre, level k adding 1 / k^2."""
    rows, columns = torch.arange(height), torch.arange(width)
    depth_rows = torch.minimum(rows, height - 1 - rows)
    depth_columns = torch.minimum(columns, width - 1 - columns)
    levels = min(int(depth_rows.max()) + 1, int(depth_columns.max()) + 1)
    depth = torch.minimum(depth_rows[:, None], depth_columns[None, :]).clamp(max=levels - 1)
    gains = torch.tensor([1.0 / (levels - k) ** 2 for k in range(levels)]).cumsum(0)
    return gains[depth]


def placed(shape: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """A pattern (side, side) put at each sample's window: (n, 1, h, w), zero elsewhere."""
    side = len(shape)
    rows = (torch.arange(height, device=top.device)[None] - top[:, None]).clamp(-1, side)
    columns = (torch.arange(width, device=top.device)[None] - left[:, None]).clamp(-1, side)
    padded = torch.nn.functional.pad(shape, (1, 1, 1, 1)).to(top.device)
    return padded[rows[:, :, None] + 1, columns[:, None, :] + 1][:, None]


@dataclass(frozen=True)
class Square:
    """`queries` forward passes; `start` is the first share of pixels."""

    norm: ClassVar[Norm]
    goal: ClassVar[Goal] = "flip"
    minimal: ClassVar[bool] = False
    queries: int = 500
    start: float = 0.8

    def first(self, x: Images, eps: float, noise: Noise) -> Images:
        """Where the search begins."""
        raise NotImplementedError

    def proposal(self, x: Images, current: Images, eps: float, side: int, noise: Noise) -> Images:
        """The current image with one window changed, still within the budget."""
        raise NotImplementedError

    @torch.no_grad()
    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        tracker = Tracker(x)
        current = self.first(x, eps, noise)
        best = objective.value(current)
        going = tracker.update(objective, current, best)
        for query in range(self.queries):
            if not tracker.active:
                break
            if len(going) < len(current):
                objective, noise = objective.select(going), noise.select(going)
                x, current, best = x[going], current[going], best[going]
            height, width = x.shape[-2:]
            share = share_of_pixels(query, self.queries, self.start)
            side = min(max(round((share * height * width) ** 0.5), self._least), height, width)
            candidate = self.proposal(x, current, eps, side, noise)
            loss = objective.value(candidate)
            better = loss > best
            current = torch.where(per_image(better), candidate, current)
            best = torch.maximum(best, loss)
            going = tracker.update(objective, candidate, loss)
        return tracker.best

    _least: ClassVar[int] = 1


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
        return (x + eps * _signs(noise, x, (1, x.shape[3]))).clamp(0, 1)

    def proposal(self, x: Images, current: Images, eps: float, side: int, noise: Noise) -> Images:
        height, width = x.shape[-2:]
        top, left = windows(noise, x[:, 0, 0, 0], side, height, width)
        square = x + eps * _signs(noise, x, (1, 1))
        return torch.where(inside(top, left, side, height, width), square, current).clamp(0, 1)


@attack("l2-square", source="arXiv:1912.00049")
@dataclass(frozen=True)
class L2Square(Square):
    """Square attack in l2: the budget of a second window moves into the first (algorithm 3)."""

    norm: ClassVar[Norm] = "l2"
    _least: ClassVar[int] = 3

    def first(self, x: Images, eps: float, noise: Noise) -> Images:
        """A 5 x 5 grid of bumps with random signs (section 3.3)."""
        height, width = x.shape[-2:]
        side = max(min(height, width) // 5, 2)
        delta = torch.zeros_like(x)
        for row in range(0, height - side + 1, side):
            for column in range(0, width - side + 1, side):
                delta[:, :, row : row + side, column : column + side] += bump(side).to(x) * _signs(noise, x, (1, 1))
        return (x + eps * unit(delta, "l2")).clamp(0, 1)

    def proposal(self, x: Images, current: Images, eps: float, side: int, noise: Noise) -> Images:
        height, width = x.shape[-2:]
        delta = current - x
        here = windows(noise, x[:, 0, 0, 0], side, height, width)
        there = windows(noise, x[:, 0, 0, 0], side, height, width)
        mask = inside(*here, side, height, width)
        both = mask | inside(*there, side, height, width)
        released = (delta * both).square().sum((2, 3), keepdim=True)
        unused = (eps**2 - delta.square().sum((1, 2, 3), keepdim=True)).clamp_min(0) / x.shape[1]
        old = delta * mask
        old = old / old.square().sum((2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        turned = per_image(noise.uniform(x.new_empty(len(x), 1))[:, 0] < 0.5)
        upright, lying = (placed(shape, *here, height, width).to(x) for shape in (bump(side), bump(side).T))
        new = torch.where(turned, lying, upright) * _signs(noise, x, (1, 1)) + old
        new = new / new.square().sum((2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        delta = torch.where(both, torch.zeros_like(delta), delta) + new * (released + unused).sqrt() * mask
        return (x + eps * unit(delta, "l2")).clamp(0, 1)
