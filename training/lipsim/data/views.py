"""The fixed views of a photograph: what a student learns from and its teacher has seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from perceptbench.core.noise import forked_rng, seed_of

RECIPE = 2
"""Raise it with any change of pixels: it decides which cached embeddings are used."""

_FILTER = Image.Resampling.BICUBIC
_AREA, _ASPECT = (0.25, 1.0), (3 / 4, 4 / 3)
_CROP_COLOURS = v2.RandomApply([v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)], p=0.7)


@dataclass(frozen=True, slots=True)
class FixedViews:
    """`count` square views of every photograph, `size` pixels wide.

    View 0 is the middle, view 1 its mirror image. Every other is a random crop of at least a quarter of the area
    and sides of at most 4:3, half of them mirrored and seven in ten in other colours: how alike a photograph is to
    a variation of itself, the teacher can then say. It follows from the photograph's name and its own number alone,
    so that a teacher is asked once for all seeds of a training.
    """

    size: int = 224
    count: int = 2

    def __call__(self, photo: Image.Image, name: str, view: int) -> Image.Image:
        """View number `view` of a photograph in RGB: RGB, size x size."""
        if view >= 2:
            return self._crop(photo, name, view)
        square = _middle(photo, self.size)
        return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if view else square

    def _crop(self, photo: Image.Image, name: str, view: int) -> Image.Image:
        crop = v2.RandomResizedCrop(self.size, _AREA, _ASPECT, v2.InterpolationMode.BICUBIC)
        # torchvision draws from the global generator.
        with forked_rng(seed_of(name, view)):
            mirrored = bool(torch.rand(()) < 0.5)
            square: Image.Image = _CROP_COLOURS(crop(photo))
        return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else square


# The paper's second pipeline (LipSim, section 4). On Pillow's images it takes little more than half the time that it
# takes on tensors, and differs by the rounding to bytes alone.
_JITTER = v2.Compose([v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1), v2.RandomGrayscale(0.2)])


def jittered(image: Image.Image, share: float, seed: int) -> Image.Image:
    """An RGB image as it is or, for a share of the seeds, in other colours.

    Brightness .4, contrast .4, saturation .2, hue .1 in random order, one in five in grey; `seed` decides both
    whether and how.
    """
    # torchvision draws from the global generator: fork it, so that nothing leaks out.
    with forked_rng(seed):
        chosen = bool(torch.rand(()) < share)
        return _JITTER(image) if chosen else image  # type: ignore[no-any-return]


def _middle(photo: Image.Image, size: int) -> Image.Image:
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    square = photo if photo.width == photo.height else photo.crop((left, top, left + side, top + side))
    return square if side == size else square.resize((size, size), _FILTER)


def to_bytes(images: Sequence[Image.Image]) -> Tensor:
    """RGB images of one size as bytes (n, 3, h, w), channels last in memory."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)


def to_floats(images: Tensor) -> Tensor:
    """Bytes as floats in [0, 1], laid out as they are."""
    return images / 255
