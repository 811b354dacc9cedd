"""pHash as ImageHash computes it: 8 x 8 of the cosine transform of 32 x 32 grey levels, beside their median; 64 bits.

Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010; the recipe is N. Krawetz's.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.hashes.levels import LEVELS, on_grid
from perceptbench.metrics.hashes.linear_hash import LinearHash
from perceptbench.metrics.hashes.pillow_grey import LUMA, ROUNDING, lanczos
from perceptbench.metrics.hashes.provable import ProvableHash

_SMALL, _ROOT = 32, 8
_FLOAT64 = 1e-6
"""Far above what the library's own float64 loses in its transform."""


def cosines() -> np.ndarray:
    """D (8, 32): the first rows of scipy's unnormalised DCT-II."""
    made: np.ndarray = 2 * np.cos(np.pi / (2 * _SMALL) * np.arange(_ROOT)[:, None] * (2 * np.arange(_SMALL) + 1))
    return made


def side(size: int) -> np.ndarray:
    """B (8, size): resize, then cosines."""
    made: np.ndarray = cosines() @ lanczos(size, _SMALL)
    return made


def median(values: Tensor) -> PerImage:
    """The mean of the two middle values (n,), as NumPy has it."""
    half = values.shape[1] // 2
    ordered = values.sort(1).values
    return (ordered[:, half - 1] + ordered[:, half]) / 2


@metric(
    "phash",
    source="Zauner 2010; computed by ImageHash",
    needs=("imagehash",),
    about=About(year=2010),
)
class PHash(ProvableHash):
    """Bits of 64 that differ between ImageHash's pHashes; users call some 10 or fewer a match."""

    name = "phash"
    linear = LinearHash(LUMA, side, side, median, _ROOT**2 // 2, _ROOT**2 // 2)

    def bits(self, picture: np.ndarray) -> np.ndarray:
        import imagehash

        found: np.ndarray = imagehash.phash(Image.fromarray(picture)).hash
        return found

    def exact(self, x: Images) -> Tensor:
        """Of grey levels that are clipped after each resize, as Pillow does, and not rounded."""
        rows, columns = (torch.from_numpy(lanczos(size, _SMALL)).to(x.device) for size in x.shape[-2:])
        grey = torch.einsum("c,nchw->nhw", torch.tensor(LUMA, dtype=torch.float64, device=x.device), on_grid(x))
        small = (rows @ (grey * LEVELS @ columns.T).clamp(0, LEVELS)).clamp(0, LEVELS)
        transform = torch.from_numpy(cosines()).to(x.device)
        return (transform @ small @ transform.T).flatten(1)

    def off(self, x: Images) -> PerImage:
        return torch.full((len(x),), _FLOAT64, dtype=torch.float64, device=x.device)

    def scale(self, height: int, width: int) -> Tensor:
        """Of grey levels at 32 x 32: clipping keeps no rows apart, so the resize enters by its norm alone."""
        rows = torch.from_numpy(np.square(cosines()).sum(1))
        return torch.outer(rows, rows).flatten()

    def needed(self, moved: PerImage, height: int, width: int) -> PerImage:
        """Back through both resizes; each of the three roundings costs its largest l2 norm.

        The rows of D are orthogonal, so a change of the 32 x 32 grey levels moves the values by at most its norm.
        Clipping brings no two images further apart.
        """
        down, across = (float(np.linalg.norm(lanczos(size, _SMALL), 2)) for size in (height, width))
        before_columns = (moved - ROUNDING * _SMALL) / down - ROUNDING * (height * _SMALL) ** 0.5
        grey = before_columns / across - ROUNDING * (height * width) ** 0.5
        return grey / (LEVELS * float(np.linalg.norm(LUMA)))
