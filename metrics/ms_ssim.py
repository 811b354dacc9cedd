"""Multi-scale structural similarity (Wang, Simoncelli & Bovik, Asilomar 2003).

Own, on the moments of `ssim.py`: piq 0.8.0 and pytorch_msssim 1.0.0 give gradients that are not numbers
wherever a scale's similarity falls to 0, take the moments of the fixed image anew at every step, and pad
odd sizes otherwise than the authors' program does.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from core.card import About
from core.tensors import Images, PerImage
from metrics.base import metric
from metrics.features import FeatureMetric, Features
from metrics.ssim import Moments, similarities

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, from the finest on (section 3.2)."""


def halve(x: Tensor) -> Tensor:
    """Means over 2 x 2 pixels; a last odd row or column is repeated, as in the authors' program."""
    height, width = x.shape[-2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    return F.avg_pool2d(x, 2)


def power(base: Tensor, exponent: float) -> Tensor:
    """base ** exponent, 0 with gradient 0 where the base is not positive."""
    positive = base > 0
    return torch.where(positive, torch.where(positive, base, 1.0) ** exponent, 0.0)


@metric(
    "ms-ssim",
    source="Asilomar Conference on Signals, Systems and Computers 37, 2003",
    about=About(year=2003, original="similarity"),
)
class MSSSIM(FeatureMetric):
    """1 - MS-SSIM over five scales, per channel of RGB; range [0, 1].

    1, with gradient 0, where the structures of a scale are uncorrelated or worse in every channel.
    """

    name = "ms-ssim"
    smallest = 161  # halved four times, and 11 pixels left

    def extract(self, x: Images) -> Features:
        scales: list[Tensor] = []
        for k in range(len(EXPONENTS)):
            x = halve(x) if k else x
            moments = Moments.of(x)
            scales += (moments.image, moments.mean, moments.variance)
        return tuple(scales)

    def compare(self, a: Features, b: Features) -> PerImage:
        terms = []
        for k, exponent in enumerate(EXPONENTS):
            x, y = (Moments(*features[3 * k : 3 * k + 3]) for features in (a, b))
            luminance, structure = similarities(x, y)
            coarsest = k == len(EXPONENTS) - 1
            index = (luminance * structure if coarsest else structure).mean((2, 3))
            terms.append(power(index, exponent))
        return 1 - torch.stack(terms).prod(0).mean(1)
