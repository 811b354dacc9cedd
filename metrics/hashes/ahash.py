"""aHash as ImageHash computes it: 8 x 8 grey levels, each beside their mean; 64 bits. No certificate."""

import numpy as np
from PIL import Image
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.tensors import PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.hashes.hash_metric import HashMetric
from perceptbench.metrics.hashes.linear_hash import LinearHash
from perceptbench.metrics.hashes.pillow_grey import LUMA, lanczos

_ROOT = 8


def side(size: int) -> np.ndarray:
    """B (8, size): resize alone."""
    return lanczos(size, _ROOT)


def mean(values: Tensor) -> PerImage:
    """The mean of the values (n,)."""
    return values.mean(1)


@metric(
    "ahash",
    source="N. Krawetz, Looks Like It, 2011; computed by ImageHash",
    needs=("imagehash",),
    about=About(year=2011),
)
class AHash(HashMetric):
    """Bits of 64 that differ between ImageHash's average hashes."""

    name = "ahash"
    linear = LinearHash(LUMA, side, side, mean, _ROOT**2 - 1, _ROOT**2 - 1)

    def bits(self, picture: np.ndarray) -> np.ndarray:
        import imagehash

        found: np.ndarray = imagehash.average_hash(Image.fromarray(picture)).hash
        return found
