"""Bilinear resizing with a known Lipschitz constant, so that any input size keeps its certificate."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.tensors import Images


@lru_cache(maxsize=32)
def _gain(old: int, new: int) -> float:
    """The largest singular value of bilinear interpolation of a line from `old` to `new` points."""
    # Columns are the unit vectors. (Images one pixel wide would be simpler; torch interpolates them wrongly.)
    basis = torch.eye(old, dtype=torch.float64)[None, None]
    matrix = F.interpolate(basis, (new, old), mode="bilinear", antialias=True)[0, 0]
    return float(torch.linalg.matrix_norm(matrix, 2))


def resize_gain(height: int, width: int, side: int) -> float:
    """Operator norm (pixel l2) of resizing (height, width) to (side, side): it is separable."""
    return _gain(height, side) * _gain(width, side)


def resize(x: Images, side: int) -> tuple[Tensor, float]:
    """Images at side x side and the operator norm of getting there; 1 where nothing is to do."""
    height, width = x.shape[-2:]
    if (height, width) == (side, side):
        return x, 1.0
    resized = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
    return resized, resize_gain(height, width, side)
