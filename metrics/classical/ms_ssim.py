"""Multi-scale structural similarity (Wang, Simoncelli & Bovik, Asilomar 2003).

Own, on the moments of `ssim.py`: piq 0.8.0 and pytorch_msssim 1.0.0 take those of the fixed image anew at every
step (five times the time, with two fixed images), and both pad odd sizes otherwise than the authors' program.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.classical.ssim import Moments, dissimilarities, either
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
    about=About(year=2003, gmac=0.2847, original="similarity"),
)
class MSSSIM(FeatureMetric):
    """1 - MS-SSIM over five scales, per channel of RGB; range [0, 1].

    1, with gradient 0, where in every channel some scale has structures that are opposed on average.
    """

    name = "ms-ssim"
    smallest = 161  # halved four times, and 11 pixels left

    def extract(self, x: Images) -> Features:
        found = [x]
        for k in range(len(EXPONENTS)):
            x = halve(x) if k else x
            moments = Moments.of(x)
            found += (moments.mean, moments.variance)
        return tuple(found)

    def compare(self, a: Features, b: Features) -> PerImage:
        difference, parts = a[0] - b[0], []
        for k in range(len(EXPONENTS)):
            difference = halve(difference) if k else difference
            x, y = (Moments(*features[2 * k + 1 : 2 * k + 3]) for features in (a, b))
            luminance, structure = dissimilarities(difference, x, y)
            coarsest = k == len(EXPONENTS) - 1
            parts.append((either(luminance, structure) if coarsest else structure).mean((2, 3)))
        return one_less_product(torch.stack(parts), EXPONENTS).mean(1)


def one_less_product(parts: Tensor, exponents: Sequence[float]) -> Tensor:
    """1 - the product of (1 - part) ** exponent over the first axis of (k, ...), by logarithms: small parts stay exact.

    1, with gradient 0, where a part is 1 or more: a power of a negative number has no meaning here.
    """
    opposed = (parts >= 1).any(0)
    logs = torch.log1p(-torch.where(parts < 1, parts, 0.0))
    return torch.where(opposed, 1.0, -torch.expm1(torch.tensordot(logs.new_tensor(exponents), logs, 1)))
