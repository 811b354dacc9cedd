"""Multi-scale structural similarity (Wang, Simoncelli & Bovik, Asilomar 2003).

Own, on the moments of `ssim.py`: piq 0.8.0 and pytorch_msssim 1.0.0 take those of the fixed image anew at every
step (five times the time, with two fixed images), and both pad odd sizes otherwise than the authors' program.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.classical.ssim import Moments, similarities
from perceptbench.metrics.features.feature_metric import FeatureMetric, Features

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, from the finest on (section 3.2)."""


def halve(x: Tensor) -> Tensor:
    """Means over 2 x 2 pixels; a last odd row or column is repeated, as in the authors' program."""
    height, width = x.shape[-2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    return F.avg_pool2d(x, 2)


@metric(
    "ms-ssim",
    source="Asilomar Conference on Signals, Systems and Computers 37, 2003",
    about=About(year=2003, gmac=0.2135, original="similarity"),
)
class MSSSIM(FeatureMetric):
    """1 - MS-SSIM over five scales, per channel of RGB; range [0, 1].

    1, with gradient 0, where in every channel some scale has structures that are opposed on average.
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
            # A power of a negative number has no meaning here; other programs take 0 as well.
            terms.append(index.relu() ** exponent)
        return 1 - torch.stack(terms).prod(0).mean(1)
