"""The random transformations of E-LPIPS (Kettunen, Harkonen & Lehtinen, arXiv:1906.03973), fixed once drawn.

A view is what one draw does to an image: average down, shift, flip, transpose, permute and scale colours. It is
applied to both images, so that neither of two distances is favoured.
"""

from dataclasses import dataclass
from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.tensors import Images

MARGIN = 7
"""Pixels by which an averaged image grows, by mirroring."""
_ORDERS = tuple(permutations(range(3)))
_FLIPS: tuple[tuple[int, ...], ...] = ((3,), (2,), (2, 3), ())


@dataclass(frozen=True, slots=True)
class View:
    """One draw.

    Args:
        scale: in [0, 1), decides by how much an image is averaged down.
        phase: (vertical, horizontal) in [0, 1), where the averaged blocks begin.
        offset: (vertical, horizontal) pixels of the margin that lie behind the image, 0 to 7.
        flip: axes that are reversed.
        transpose: whether rows and columns change places.
        order: which channel comes where.
        colour: factors in [0.2, 1] of the channels after that.
        seed: of the dropout in the network.
    """

    scale: float
    phase: tuple[float, float]
    offset: tuple[int, int]
    flip: tuple[int, ...]
    transpose: bool
    order: tuple[int, ...]
    colour: tuple[float, ...]
    seed: int


def draw_views(n: int, generator: torch.Generator) -> tuple[View, ...]:
    """n views. Flips, orders and colours are stratified over them, as the authors do over a batch."""

    def uniform(*shape: int) -> list[list[float]]:
        return torch.rand(*shape, generator=generator, dtype=torch.float64).tolist()

    def shuffled(count: int) -> list[int]:
        return torch.randperm(count, generator=generator).tolist()

    flips = [i % len(_FLIPS) for i in shuffled(-(-n // 4) * 4)]
    orders = [i % len(_ORDERS) for i in shuffled(-(-n // 6) * 6)]
    strata = list(zip(*(shuffled(n) for _ in range(3)), strict=True))
    free, within = uniform(n, 6), uniform(n, 3)
    seeds = torch.randint(2**62, (n,), generator=generator).tolist()
    views = []
    for i, (scale, down, right, y, x, swap) in enumerate(free):
        red, green, blue = (0.2 + 0.8 * (k + u) / n for k, u in zip(strata[i], within[i], strict=True))
        views.append(
            View(
                scale=scale,
                phase=(down, right),
                offset=(int(y * (MARGIN + 1)), int(x * (MARGIN + 1))),
                flip=_FLIPS[flips[i]],
                transpose=swap < 0.5,
                order=_ORDERS[orders[i]],
                colour=(red, green, blue),
                seed=seeds[i],
            )
        )
    return tuple(views)


def level(view: View, side: int) -> int:
    """By what factor an image is averaged down: i with probability in proportion to 1 / i^2.

    At most side / 64, which is what the authors advise for small images.
    """
    chances = [1 / i**2 for i in range(1, max(1, side // 64) + 1)]
    left = view.scale * sum(chances)
    for i, chance in enumerate(chances, start=1):
        left -= chance
        if left < 0:
            return i
    return len(chances)


def apply(view: View, x: Images) -> Tensor:
    """The transformed images; their size differs from view to view."""
    factor = level(view, min(x.shape[-2:]))
    x = _average(x, factor, view.phase) if factor > 1 else x
    (down, right), m = view.offset, MARGIN
    x = F.pad(x, (m - right, right, m - down, down), mode="reflect")
    x = x.flip(view.flip) if view.flip else x
    x = x.transpose(2, 3) if view.transpose else x
    return x[:, list(view.order)] * x.new_tensor(view.colour)[:, None, None]


def _average(x: Tensor, factor: int, phase: tuple[float, float]) -> Tensor:
    """Means of factor x factor pixels, the image mirrored on so that every pixel is in one."""
    pad: list[int] = []
    for size, u in zip(x.shape[:1:-1], phase[::-1], strict=True):
        before = int(u * factor)
        full = (size + 2 * (factor - 1)) // factor * factor
        pad += (before, full - size - before)
    return F.avg_pool2d(F.pad(x, pad, mode="reflect"), factor)
