"""The paper's second pipeline: a view in other colours (LipSim, section 4)."""

from dataclasses import dataclass

import torch
from PIL import Image
from torchvision.transforms import v2

from perceptbench.core.noise import forked_rng

# On Pillow's images: the same transform as on tensors, rounded to bytes, at little more than half the time.
_COLOURS = v2.Compose([v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1), v2.RandomGrayscale(0.2)])


@dataclass(frozen=True, slots=True)
class Jitter:
    """Brightness .4, contrast .4, saturation .2, hue .1 in random order, one in five in grey; for a share of images."""

    share: float

    def __call__(self, image: Image.Image, seed: int) -> Image.Image:
        """An RGB image, jittered or as it is: `seed` decides both whether and how."""
        # torchvision draws from the global generator: fork it, so that nothing leaks out.
        with forked_rng(seed):
            jittered = bool(torch.rand(()) < self.share)
            return _COLOURS(image) if jittered else image  # type: ignore[no-any-return]
