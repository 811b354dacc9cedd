"""What the hashes of ImageHash begin with: Pillow's grey levels and its Lanczos resize, as matrices.

Pillow weighs colours in 16-bit integers, resizes rows and then columns, and after each of the three steps rounds to 8
bits; the Lanczos window has negative lobes, so the two resizes also clip to 0..255.
"""

from functools import lru_cache

import numpy as np
from PIL import Image

LUMA = (19595 / 65536, 38470 / 65536, 7471 / 65536)
"""The weights of `convert("L")`: ITU-R 601 in 16 bits."""
ROUNDING = 0.51
"""How far one rounding may take a grey level: a half, and what 22-bit weights of the resize lose (below 0.01)."""


@lru_cache(maxsize=32)
def lanczos(size: int, out: int) -> np.ndarray:
    """The matrix (out, size) of Pillow's resize along one side: what it makes of unit vectors in floats."""
    if size == out:
        return np.eye(size)
    units = Image.fromarray(np.eye(size, dtype=np.float32))
    return np.asarray(units.resize((out, size), Image.Resampling.LANCZOS), dtype=np.float64).T
