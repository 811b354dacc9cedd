"""Metrics that hide their gradients, and the plain form of all: nearly the same answers, and gradients that lead."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


class Plain:
    """The mean squared difference."""

    symmetric = True

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).square().mean((1, 2, 3))


class RoundedTo(Plain):
    """The same, rounded to 1e-6: no gradient anywhere."""

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.round(1e6 * super().__call__(x, y)) / 1e6


class Staircase(Plain):
    """The same in steps of 1e-4."""

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.floor(1e4 * super().__call__(x, y)) / 1e4


class Clamped(Plain):
    """The same as a sum of ramps, each clamped: flat but for a hundredth of the way."""

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        steps = 2e4 * super().__call__(x, y)[:, None] - torch.arange(2000.0, device=x.device)
        return (100 * steps).clamp(0, 1).sum(1) / 2e4


class WithCrops(Plain):
    """The mean over a window of three quarters of the side, drawn anew at each call. It does not say that it draws."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        side = x.shape[-1] * 3 // 4
        top, left = torch.randint(x.shape[-1] - side + 1, (2,), generator=self.generator).tolist()
        window = (..., slice(top, top + side), slice(left, left + side))
        return super().__call__(x[window], y[window])


class AfterJpeg(Plain):
    """The same of the pictures that JPEG of quality 75 leaves: no gradient at all."""

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return super().__call__(_jpeg(x), _jpeg(y))


def _jpeg(x: Tensor) -> Tensor:
    pictures = []
    for image in (x.detach().cpu().numpy() * 255).round().clip(0, 255).astype(np.uint8):
        stream = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(stream, "JPEG", quality=75)
        pictures.append(np.asarray(Image.open(stream)).transpose(2, 0, 1) / 255)
    return torch.tensor(np.stack(pictures), dtype=x.dtype, device=x.device)
