"""Input diversity (DI, Xie et al., CVPR 2019, arXiv:1803.06978): at times the metric sees a smaller, padded image."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask, PerImage

LEAST = 0.9
"""Of the side of an image: what it is shrunk to at most, before zeros fill the rest."""


@dataclass(frozen=True)
class Diverse(Objective):
    """An objective that sees each image, with probability `share`, at a random size and place on black.

    The original enlarges the input of a classifier; the images that a metric compares must keep one size, so here the
    image is shrunk to between `LEAST` and all of its side.

    Args:
        inner: the objective of images.
        share: with what probability an image is changed, at each look.
        noise: one source for each image.
    """

    inner: Objective
    share: float
    noise: Noise

    @property
    def endless(self) -> bool:
        return self.inner.endless

    def loss(self, x: Images) -> PerImage:
        # Four draws whatever comes of them, so that an image meets the same in every batch.
        draws = self.noise.uniform(x.new_empty(len(x), 4))
        seen = [self._seen(image, draw) for image, draw in zip(x.split(1), draws.tolist(), strict=True)]
        return self.inner.loss(torch.cat(seen))

    def _seen(self, image: Images, draw: list[float]) -> Images:
        """One image (1, 3, h, w) as the inner objective sees it."""
        chance, size, down, right = draw
        if chance >= self.share:
            return image
        height, width = image.shape[-2:]
        scale = LEAST + (1 - LEAST) * size
        h, w = max(1, round(scale * height)), max(1, round(scale * width))
        small = F.interpolate(image, size=(h, w), mode="bilinear", align_corners=False)
        top, left = int(down * (height - h + 1)), int(right * (width - w + 1))
        return F.pad(small, (left, width - w - left, top, height - h - top))

    def reached(self, loss: PerImage) -> Mask:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "Diverse":
        return Diverse(self.inner.select(index), self.share, self.noise.select(index))
