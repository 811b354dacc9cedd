"""What metrics on the layers of a classifier share: a walk through it, and unit features."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def walk(trunk: Iterable[nn.Module], x: Tensor, taps: tuple[int, ...]) -> tuple[Tensor, ...]:
    """What the modules of these indices give, those after the last one left out."""
    found = []
    for i, module in enumerate(trunk):
        x = module(x)
        if i in taps:
            found.append(x)
        if i == taps[-1]:
            break
    return tuple(found)


def unit(features: Tensor) -> Tensor:
    """Features (n, c, h, w) divided by their length over channels; zero vectors stay zero.

    Its gradient is finite there too, which that of a root of a sum of squares is not.
    """
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10)
