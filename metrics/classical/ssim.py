"""Structural similarity (Wang et al., IEEE TIP 13(4), 2004)."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.features.feature_metric import FeatureMetric, Features

_SIDE = 11


def gaussian_window(sigma: float = 1.5, side: int = _SIDE) -> Tensor:
    """The normalised window of section III.B as a vector (side,); the window is its outer square."""
    offsets = torch.arange(side, dtype=torch.float64) - side // 2
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    return weights / weights.sum()


@lru_cache(maxsize=8)
def _band(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The window at every place of a line where it fits whole: (size - side + 1, size)."""
    window = gaussian_window()
    places = size - len(window) + 1
    matrix = torch.zeros(places, size, dtype=torch.float64)
    for i, weight in enumerate(window.tolist()):
        matrix += weight * torch.eye(places, size, dtype=torch.float64).roll(i, 1)
    return matrix.to(dtype=dtype, device=device)


def local_mean(z: Tensor) -> Tensor:
    """Weighted means over every window that fits whole: (n, 3, h, w) to (n, 3, h - s + 1, w - s + 1).

    As two products with a banded matrix: many more multiplications than a convolution channel by channel,
    and less than half its time on CPUs.
    """
    rows, columns = (_band(size, z.dtype, z.device) for size in z.shape[-2:])
    return rows @ (z @ columns.T)


@dataclass(frozen=True, slots=True)
class Moments:
    """Local means and variances (n, 3, h', w')."""

    mean: Tensor
    variance: Tensor

    @classmethod
    def of(cls, z: Tensor) -> "Moments":
        """Those of (n, 3, h, w).

        E[z^2] - E[z]^2 loses its digits where the mean is large and the variance small. So the mean of each whole
        channel is taken off before, which changes no variance.
        """
        level = z.mean((2, 3), keepdim=True)
        centred = z - level
        mean = local_mean(centred)
        return cls(mean + level, (local_mean(centred.square()) - mean.square()).clamp_min(0))


def dissimilarities(
    difference: Tensor, x: Moments, y: Moments, k1: float = 0.01, k2: float = 0.03
) -> tuple[Tensor, Tensor]:
    """Maps (n, 3, h', w') of 1 - luminance and of 1 - structure, for images in [0, 1] (dynamic range 1; eq. 6, 13).

    Written so that nothing cancels: exactly 0 for equal images, and never less.

        1 - (2 m m' + c) / (m^2 + m'^2 + c) = (m - m')^2 / (m^2 + m'^2 + c)
        1 - (2 cov + c) / (v + v' + c) = var(x - y) / (v + v' + c)

    Args:
        difference: x - y (n, 3, h, w).
        x: moments of one image.
        y: those of the other.
        k1: of c for luminance, k1^2.
        k2: of c for structure, k2^2.
    """
    c1, c2 = k1**2, k2**2
    own = Moments.of(difference)
    return own.mean.square() / (x.mean.square() + y.mean.square() + c1), own.variance / (x.variance + y.variance + c2)


def either(luminance: Tensor, structure: Tensor) -> Tensor:
    """1 - (1 - luminance) (1 - structure), of dissimilarities."""
    return luminance + structure * (1 - luminance)


@metric(
    "ssim",
    source="IEEE TIP 13(4):600-612",
    about=About(year=2004, gmac=0.252, original="similarity", nights=(57.3, "LipSim, table 4")),
)
class SSIM(FeatureMetric):
    """1 - SSIM with the published 11 x 11 Gaussian window, per channel of RGB; range [0, 2]."""

    name = "ssim"
    smallest = _SIDE

    def extract(self, x: Images) -> Features:
        moments = Moments.of(x)
        return x, moments.mean, moments.variance

    def compare(self, a: Features, b: Features) -> PerImage:
        """1 - the mean SSIM index, over channels and positions (eq. 13, 17)."""
        return either(*dissimilarities(a[0] - b[0], Moments(*a[1:]), Moments(*b[1:]))).mean((1, 2, 3))
