"""Which images a model was called with, where its caller does not say."""

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.tensors import Images

BLOCK = 16


def pooled(x: Images) -> Tensor:
    """Sums over blocks over their side: few numbers, and two images come no farther apart by it."""
    return F.avg_pool2d(x, BLOCK).flatten(1) * BLOCK


class RowFinder:
    """Finds the rows of a batch from perturbed images of some of them, by the nearest clean image.

    Upstream's attacks call a model on what is left of a batch and say not which rows these are; ours
    must know, since every row has other fixed images. Pooling never lengthens a perturbation, so an
    image within half the smallest pooled distance of its original is recognised for certain.

    Within one attack what is left only ever shrinks, so a number of rows stands for one choice of
    them: each is looked up once, at next to no cost, and `forget` goes before the next attack.
    """

    def __init__(self, clean: Images) -> None:
        self.clean = pooled(clean)
        self.known: dict[int, Tensor] = {}

    @property
    def reach(self) -> float:
        """Perturbations up to this l2 norm cannot be mistaken."""
        return float(torch.pdist(self.clean).min()) / 2 if len(self.clean) > 1 else torch.inf

    def __call__(self, x: Images) -> Tensor:
        if len(x) not in self.known:
            with torch.no_grad():
                self.known[len(x)] = torch.cdist(pooled(x), self.clean).argmin(1)
        return self.known[len(x)]

    def forget(self) -> None:
        """Another attack begins."""
        self.known.clear()
