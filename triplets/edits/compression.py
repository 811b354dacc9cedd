"""Saved again with loss: as JPEG, or as WebP, which re-encodes what a site was given."""

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from perceptbench.triplets.constructed import distortions
from perceptbench.triplets.constructed.distortions import Pixels
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.edits.base import Edit, edit


# torchvision's v2 jpeg gives the same bytes, by an encoder that is deprecated since version 0.29.
@edit("jpeg", source="ITU-T T.81, by Pillow")
@dataclass(frozen=True)
class Jpeg(Edit):
    """JPEG of a quality from 1 to 95, chroma at half resolution."""

    strengths: ClassVar[tuple[float, ...]] = (95, 75, 30)
    range: ClassVar[tuple[float, float]] = (1, 95)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        return distortions.jpeg(x, round(strength))


@edit("webp", source="RFC 9649, by Pillow")
@dataclass(frozen=True)
class WebP(Edit):
    """Lossy WebP of a quality from 1 to 100."""

    strengths: ClassVar[tuple[float, ...]] = (90, 60, 20)
    range: ClassVar[tuple[float, float]] = (1, 100)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        stream = io.BytesIO()
        Image.fromarray(x).save(stream, "WEBP", quality=round(strength), method=4)
        return np.asarray(Image.open(stream).convert("RGB"))
