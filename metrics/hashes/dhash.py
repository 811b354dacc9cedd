"""dHash as ImageHash computes it: which of two neighbours of 9 x 8 grey levels is lighter; 64 bits. No certificate.

Its map has a condition number that makes the bound of certifiers/hash.py useless: bits of neighbours move together.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.tensors import PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.hashes.hash_metric import HashMetric
from perceptbench.metrics.hashes.linear_hash import LinearHash
from perceptbench.metrics.hashes.pillow_grey import LUMA, lanczos

_ROOT = 8


def down(size: int) -> np.ndarray:
    """B_v (8, height): resize alone."""
    return lanczos(size, _ROOT)


def across(size: int) -> np.ndarray:
    """B_h (8, width): resize to 9, then differences of neighbours."""
    return np.diff(lanczos(size, _ROOT + 1), axis=0)


def zero(values: Tensor) -> PerImage:
    """Each difference is compared with 0."""
    return torch.zeros_like(values[:, 0])


@metric(
    "dhash",
    source="N. Krawetz, Kind of Like That, 2013; computed by ImageHash",
    needs=("imagehash",),
    about=About(year=2013),
)
class DHash(HashMetric):
    """Bits of 64 that differ between ImageHash's horizontal dHashes."""

    name = "dhash"
    linear = LinearHash(LUMA, down, across, zero, _ROOT**2, _ROOT**2)

    def bits(self, picture: np.ndarray) -> np.ndarray:
        import imagehash

        found: np.ndarray = imagehash.dhash(Image.fromarray(picture)).hash
        return found
