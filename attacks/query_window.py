"""Where a query of the Square attack changes the image, and how: random square windows, and pyramids to add.

Sections 3.3 and 5 of arXiv:1912.00049.
"""

from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor

_SCHEDULE = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_SCHEDULE_LENGTH = 10_000


def share_of_pixels(query: int, queries: int, start: float) -> float:
    """The share p of pixels to change: `start`, halved at each point of the schedule (section 5)."""
    at = query * _SCHEDULE_LENGTH / queries
    return start / 2 ** sum(at > point for point in _SCHEDULE)


Window: TypeAlias = tuple[slice, slice, slice, slice]


def window(generator: torch.Generator, side: int, height: int, width: int) -> Window:
    """A random window, the same for every sample, so that it is a slice and costs only its own pixels."""
    top, left = (
        (torch.rand(2, generator=generator) * torch.tensor([height - side + 1, width - side + 1])).long().tolist()
    )
    return slice(None), slice(None), slice(top, top + side), slice(left, left + side)


@lru_cache(maxsize=64)
def bump(side: int) -> Tensor:
    """The paper's eta (section 3.3, figure 3): two pyramids of opposite sign and equal norm, norm 1 together.

    Returns (side, side); the sign changes across the middle row.
    """
    half = side // 2
    shape = torch.zeros(side, side)
    for rows, sign in ((slice(0, half), 1.0), (slice(half, side), -1.0)):
        half_shape = _pyramid(rows.stop - rows.start, side)
        shape[rows] = sign * half_shape / half_shape.norm()
    return shape / shape.norm()


def _pyramid(height: int, width: int) -> Tensor:
    """Nested squares around the centre: one that reaches k pixels from it adds 1 / (k + 1)^2."""
    rows = (torch.arange(height) - height // 2).abs()
    columns = (torch.arange(width) - width // 2).abs()
    distance = torch.maximum(rows[:, None], columns[None, :])
    levels = max(height // 2, width // 2) + 1
    gains = (1.0 / torch.arange(1, levels + 1) ** 2).flip(0).cumsum(0).flip(0)
    return gains[distance]
