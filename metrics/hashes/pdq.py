"""PDQ (Facebook, 2019, https://github.com/facebook/ThreatExchange, pdq/README-MAIN.md): 256 bits.

Two passes of a box filter, 64 x 64 samples of what they give, the discrete cosine transform without its constant part,
16 x 16 of it, and each value beside the 128th smallest. `pdqhash` is Facebook's own C++ behind a binding.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.hashes.levels import on_grid, pictures
from perceptbench.metrics.hashes.linear_hash import LinearHash
from perceptbench.metrics.hashes.provable import ProvableHash

_SAMPLES, _ROOT = 64, 16
USABLE = 50
"""The least quality at which PDQ's users trust a hash; the library's quality is 0 to 100."""


def side(size: int) -> np.ndarray:
    """B (16, size): box filter twice, samples, cosines; rows in the library's order, from the highest frequency on."""
    frequencies, places = np.arange(_ROOT, 0, -1)[:, None], np.arange(_SAMPLES)
    cosines: np.ndarray = np.sqrt(2 / _SAMPLES) * np.cos(np.pi / (2 * _SAMPLES) * frequencies * (2 * places + 1))
    if size == _SAMPLES:
        return cosines
    blurred = _box(size)
    return cosines @ (blurred @ blurred)[((places + 0.5) * size / _SAMPLES).astype(int)]


def _box(size: int) -> np.ndarray:
    """Means over a window of size / 128 pixels, rounded up, and over what is left of it at the borders."""
    window = (size + 2 * _SAMPLES - 1) // (2 * _SAMPLES)
    ahead = (window + 2) // 2 - 1
    offset = np.arange(size) - np.arange(size)[:, None]
    inside = (offset <= ahead) & (offset >= ahead - window + 1)
    return inside / inside.sum(1, keepdims=True)


def middle(values: Tensor) -> PerImage:
    """The lower of the two middle values (n,)."""
    return values.kthvalue(values.shape[1] // 2, dim=1).values


def qualities(x: Images) -> Sequence[int]:
    """The quality that the library gives each image, 0 to 100. Those below 50 are not to be trusted."""
    import pdqhash

    return [int(pdqhash.compute(picture)[1]) for picture in pictures(x)]


@metric(
    "pdq",
    source="Facebook, ThreatExchange: pdq, 2019; computed by pdqhash",
    needs=("pdqhash",),
    about=About(year=2019),
)
class PDQ(ProvableHash):
    """Bits of 256 that differ between PDQ hashes; users call 31 or fewer a match."""

    name = "pdq"
    smallest = 5
    linear = LinearHash((0.299, 0.587, 0.114), side, side, middle, _ROOT**2 // 2, _ROOT**2 // 2 - 1)

    def bits(self, picture: np.ndarray) -> np.ndarray:
        import pdqhash

        return pdqhash.compute(picture)[0]

    def exact(self, x: Images) -> Tensor:
        return self.linear.values(on_grid(x))

    def answered(self, x: Images) -> Tensor:
        """The library's values (n, 256), in its float32."""
        import pdqhash

        found = [np.array(pdqhash.compute_float(picture)[0]) for picture in pictures(x)]
        return torch.from_numpy(np.stack(found)).double().to(x.device)

    def off(self, x: Images) -> PerImage:
        """Eight times what the library's values are off at these images, and 32 units in the last place."""
        exact = self.exact(x)
        floor = 32 * torch.finfo(torch.float32).eps * exact.abs().amax(1)
        return 8 * (self.answered(x) - exact).abs().amax(1) + floor

    def scale(self, height: int, width: int) -> Tensor:
        return self.linear.scale(height, width)

    def needed(self, moved: PerImage, height: int, width: int) -> PerImage:
        return moved / self.linear.stretch(height, width) ** 0.5

    def usable(self, x: Images) -> Mask:
        return torch.tensor([quality >= USABLE for quality in qualities(x)], dtype=torch.bool, device=x.device)
