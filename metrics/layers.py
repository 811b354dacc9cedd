"""What metrics on the layers of an ImageNet classifier share: its input, a walk through it, unit features."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from core.tensors import Images

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, channel by channel."""


def normalise(x: Images) -> Tensor:
    """Images in [0, 1] as the classifiers of torchvision want them."""
    mean, std = (x.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (x - mean) / std


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

    As in the LPIPS package, but for the gradient at a zero vector, which is not a number there.
    """
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10)
