"""The smallest flip of each image so far, for attacks that look for the nearest one."""

import math
from dataclasses import dataclass

import torch

from perceptbench.attacks.norms import per_image
from perceptbench.core.tensors import Images, Mask, PerImage


@dataclass
class Smallest:
    """The smallest flip so far, since the last iterate of a search around a boundary may lie on either side of it.

    Where nothing has flipped yet, `best` is the clean image and `size` is infinite.
    """

    best: Images
    size: PerImage

    @classmethod
    def none_yet(cls, x: Images) -> "Smallest":
        """Before anything was found around these images."""
        return cls(x.clone(), torch.full_like(x[:, 0, 0, 0], torch.inf))

    @property
    def found(self) -> Mask:
        """Which images have been flipped."""
        return self.size.isfinite()

    @property
    def settled(self) -> bool:
        """Whether every image is flipped without any change, so that no smaller flip exists."""
        return bool((self.size == 0).all())

    def update(self, candidate: Images, size: PerImage, flipped: Mask) -> None:
        """Keep the candidates that flip and are smaller than the smallest flip so far."""
        better = flipped & (size < self.size)
        torch.where(per_image(better), candidate, self.best, out=self.best)
        self.size = torch.where(better, size, self.size)


def annealed(first: float, last: float, step: int, steps: int) -> float:
    """From `first` at step 0 towards `last` at `steps`, along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * step / steps)) / 2
