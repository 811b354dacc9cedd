"""What the student sees: a flip, and for some images a colour jitter (LipSim, section 4.2)."""

import torch
from torch import Tensor
from torchvision.transforms import v2

from core.noise import forked_rng


class Views:
    """Random views of a batch of images (n, 3, h, w) in [0, 1].

    The jitter is the paper's: brightness .4, contrast .4, saturation .2, hue .1, each image with
    its own draw, and one in five in grey. Draws come from the generator passed in.
    """

    def __init__(self, jitter: float) -> None:
        self.share = jitter
        self._jitter = v2.Compose([v2.ColorJitter(0.4, 0.4, 0.2, 0.1), v2.RandomGrayscale(0.2)])

    def __call__(self, x: Tensor, flipped: Tensor, generator: torch.Generator) -> Tensor:
        """`flipped` says which images are mirrored: the teacher must know it too."""
        x = torch.where(flipped[:, None, None, None], x.flip(3), x)
        chosen = torch.rand(len(x), generator=generator) < self.share
        seed = int(torch.randint(2**62, (), generator=generator))
        # torchvision draws from the global generator: fork it, so that nothing leaks out.
        with forked_rng(seed):
            for i in chosen.nonzero().flatten().tolist():
                x[i] = self._jitter(x[i])
        return x
