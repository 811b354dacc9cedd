"""Made smaller, as a site does with what is larger than it shows; compared at the old size again."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch.nn.functional import interpolate

from perceptbench.attacks.through.base import Channel, channel
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Images
from perceptbench.triplets.constructed.distortions import Pixels

_LEAST = 0.02
_SMOOTH = Image.Resampling.BICUBIC


@channel("resize", source="Pillow, bicubic")
@dataclass(frozen=True)
class Smaller(Channel):
    """Each side made this share of its length, and the image enlarged to its size again."""

    share: float = 0.5

    def __post_init__(self) -> None:
        """Raises UserError for a share that makes nothing smaller, or leaves nothing."""
        if not _LEAST <= self.share < 1:
            raise UserError(f"resize(share=...) wants a share of the side from {_LEAST} to below 1, got {self.share:g}")

    def send(self, x: Pixels) -> Pixels:
        height, width, _ = x.shape
        down, right = self._sides(height, width)
        return np.asarray(Image.fromarray(x).resize((right, down), _SMOOTH).resize((width, height), _SMOOTH))

    def soft(self, x: Images) -> Images:
        height, width = x.shape[-2:]
        down = interpolate(x, self._sides(height, width), mode="bicubic", antialias=True)
        return interpolate(down, (height, width), mode="bicubic", antialias=True)

    def _sides(self, height: int, width: int) -> tuple[int, int]:
        return max(1, round(height * self.share)), max(1, round(width * self.share))
