"""What perceptual hashes share: the library computes the bits, and the distance is how many of them differ."""

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Metric
from perceptbench.metrics.hashes.levels import pictures
from perceptbench.metrics.hashes.linear_hash import LinearHash
from perceptbench.metrics.hashes.soft_hash import SoftHash


class HashMetric(Metric):
    """Hamming distance in bits. Subclasses give the bits of one picture and the linear map behind them."""

    differentiable = False
    name: str
    """As users write it."""
    linear: LinearHash

    def bits(self, picture: np.ndarray) -> np.ndarray:
        """The library's bits (k,) of one 8-bit picture (h, w, 3), RGB."""
        raise NotImplementedError

    def represent(self, x: Images) -> Bool[Tensor, "n k"]:
        self.require_size(x, self.name)
        found = np.stack([np.asarray(self.bits(picture), dtype=bool).ravel() for picture in pictures(x)])
        return torch.from_numpy(found).to(x.device)

    def compare(self, a: Bool[Tensor, "n k"], b: Bool[Tensor, "n k"]) -> PerImage:
        return (a != b).sum(1).to(torch.float32)

    def __call__(self, x: Images, y: Images) -> PerImage:
        return self.compare(self.represent(x), self.represent(y))

    def surrogate(self) -> SoftHash:
        return SoftHash(self.linear)
