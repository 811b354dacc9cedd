"""Images as the original programs of NIGHTS and BAPPS read them, so that published numbers come out again.

EXIF orientation and colour profiles are ignored and alpha is dropped. Data of your own are read as a person sees them
(triplets/images.py).
"""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from perceptbench.triplets.base import SIDE
from perceptbench.triplets.images import at_side, read_bytes, to_tensor, whole
from perceptbench.triplets.png import png_behind, refuse_deep, refuse_missing_colours
from perceptbench.triplets.shown import refuse_mode, refuse_size


def decode(content: bytes, path: Path, where: str) -> Image.Image:
    """An RGB image, completely decoded.

    Raises UserError for what is no image, is cut off, has more than 8 bits a channel, or declares more than
    MAX_PIXELS (asked before any pixel is decoded).
    """
    return whole(content, path, where, _as_rgb)


def _as_rgb(image: Image.Image, where: str, place: str) -> Image.Image:
    refuse_size(image, where, place)
    refuse_mode(image, where, place)
    png = png_behind(image, where)
    refuse_deep(png, where, place)
    image.load()
    refuse_missing_colours(image, png)
    return image.convert("RGB")


def read_three(paths: tuple[Path, Path, Path], where: str, side: int = SIDE) -> tuple[Tensor, Tensor, Tensor]:
    """Reference, left and right of one triplet, each (3, side, side) in [0, 1]. Raises UserError as `decode` does."""
    reference, left, right = (
        to_tensor(np.asarray(at_side(decode(read_bytes(path, where), path, where), side))) for path in paths
    )
    return reference, left, right
