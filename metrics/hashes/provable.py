"""What a proof needs to know of a hash: values whose comparison gives the bits, and how fast they can move."""

import torch
from jaxtyping import Float
from torch import Tensor

from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.hashes.hash_metric import HashMetric


class ProvableHash(HashMetric):
    """A hash whose library computes [c'_i > m'] of values c', m' their middle, with c' known up to a bounded error.

    The moved length of a change is sqrt(sum of Delta_i^2 / s_i) over the values: `needed` turns it into pixels.
    """

    def exact(self, x: Images) -> Float[Tensor, "n k"]:
        """The values c of the 8-bit pictures in float64, before the library rounds."""
        raise NotImplementedError

    def off(self, x: Images) -> PerImage:
        """By how much any value of the library (n,) may differ from c near these images, where it counts in float."""
        raise NotImplementedError

    def scale(self, height: int, width: int) -> Float[Tensor, " k"]:
        """The s_i of images of this size."""
        raise NotImplementedError

    def needed(self, moved: PerImage, height: int, width: int) -> PerImage:
        """A change of an 8-bit picture below this l2 norm (n,), pixels in [0, 1], moves values by less than `moved`.

        What the library rounds to grey levels is paid for here. It may be negative: then nothing is proved.
        """
        raise NotImplementedError

    def usable(self, x: Images) -> Mask:
        """Which images (n,) have a hash that its users trust: all, unless a subclass says otherwise."""
        return torch.ones(len(x), dtype=torch.bool, device=x.device)
