"""Saved as a JPEG file, as most sites do with what they are given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import avg_pool2d, interpolate

from perceptbench.attacks.through.base import Channel, channel
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Images
from perceptbench.triplets.constructed import distortions
from perceptbench.triplets.constructed.distortions import Pixels

_LEAST, _LARGEST = 1, 95
_SPREAD = 5
"""An attack also sees qualities that are so much lower and higher."""
_LUMA = (0.299, 0.587, 0.114)


@channel("jpeg", source="ITU-T T.81, by Pillow")
@dataclass(frozen=True)
class ThroughJpeg(Channel):
    """A JPEG file of quality q from 1 to 95, chroma at half resolution, opened again."""

    q: int = 75

    def __post_init__(self) -> None:
        """Raises UserError for a quality that there is none of."""
        if not _LEAST <= self.q <= _LARGEST:
            raise UserError(f"jpeg(q=...) wants a quality from {_LEAST} to {_LARGEST}, got {self.q}")

    def send(self, x: Pixels) -> Pixels:
        return distortions.jpeg(x, self.q)

    def soft(self, x: Images) -> Images:
        """Luma as it is, and chroma at half resolution. Of what a quality rounds away, nothing is left out."""
        weights = torch.tensor(_LUMA, dtype=x.dtype, device=x.device)[:, None, None]
        luma = (x * weights).sum(1, keepdim=True)
        chroma = x - luma
        halved = avg_pool2d(chroma, 2, ceil_mode=True, count_include_pad=False)
        return luma + interpolate(halved, scale_factor=2, mode="bilinear")[..., : x.shape[2], : x.shape[3]]

    def near(self) -> Sequence[Channel]:
        qualities = (max(_LEAST, self.q - _SPREAD), min(_LARGEST, self.q + _SPREAD))
        return [replace(self, q=q) for q in qualities if q != self.q]
