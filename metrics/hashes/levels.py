"""Images in [0, 1] as the 8-bit pictures that hash libraries take."""

import numpy as np
import torch
from jaxtyping import UInt8

from perceptbench.core.tensors import Images

LEVELS = 255
UNSURE = 1e-4
"""How far, in grey levels, float32 may put a value that is to be rounded: 255 x is off by at most 2^-16."""


def pictures(x: Images) -> UInt8[np.ndarray, "n h w 3"]:
    """Each value times 255, to the nearest of 0 to 255, half to even: what `round` gives and a PNG would hold."""
    levels = (x.detach() * LEVELS).round().clamp(0, LEVELS).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def on_grid(x: Images) -> Images:
    """The same pictures as images (n, 3, h, w) in [0, 1], in float64."""
    return (x.detach() * LEVELS).round().clamp(0, LEVELS).double() / LEVELS
