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
    """Images with their local mean and variance: what SSIM needs of each image alone."""

    image: Images
    mean: Tensor
    variance: Tensor

    @classmethod
    def of(cls, image: Images) -> "Moments":
        """Local moments of images (n, 3, h, w)."""
        mean = local_mean(image)
        return cls(image, mean, local_mean(image * image) - mean**2)


def similarities(x: Moments, y: Moments, k1: float = 0.01, k2: float = 0.03) -> tuple[Tensor, Tensor]:
    """Maps (n, 3, h', w') of luminance and of structure, for images in [0, 1] (dynamic range 1; eq. 6, 13)."""
    c1, c2 = k1**2, k2**2
    covariance = local_mean(x.image * y.image) - x.mean * y.mean
    luminance = (2 * x.mean * y.mean + c1) / (x.mean**2 + y.mean**2 + c1)
    structure = (2 * covariance + c2) / (x.variance + y.variance + c2)
    return luminance, structure


def ssim(x: Moments, y: Moments) -> PerImage:
    """Mean SSIM index, over channels and positions (eq. 13, 17)."""
    luminance, structure = similarities(x, y)
    return (luminance * structure).mean((1, 2, 3))


@metric(
    "ssim",
    source="IEEE TIP 13(4):600-612",
    about=About(year=2004, gmac=0.189, original="similarity", nights=(57.3, "LipSim, table 4")),
)
class SSIM(FeatureMetric):
    """1 - SSIM with the published 11 x 11 Gaussian window, per channel of RGB; range [0, 2]."""

    name = "ssim"
    smallest = _SIDE

    def extract(self, x: Images) -> Features:
        moments = Moments.of(x)
        return moments.image, moments.mean, moments.variance

    def compare(self, a: Features, b: Features) -> PerImage:
        return 1 - ssim(Moments(*a), Moments(*b))
