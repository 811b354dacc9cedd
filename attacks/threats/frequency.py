"""An l2 change of an image that is confined to a band of frequencies of the discrete cosine transform."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, pi
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.norms import change, length, size, spread
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage
from perceptbench.core.threat import lp_unit


@threat("frequency", source="arXiv:1809.08758 (Guo et al., UAI 2019); SSAH, CVPR 2022")
@dataclass(frozen=True)
class Frequency(ThreatSet):
    """Changes within eps in l2 whose cosine transform vanishes outside a band of frequencies.

    The frequency of a coefficient is the larger of its two indices, as a share of the side: 0 is constant, and numbers
    towards 1 change from pixel to pixel. theta (n, 3, k, l): the coefficients, of the orthonormal transform of each
    channel, from 0 to the end of the band. What leaves [0, 1] is clipped, which brings the image nearer.

    Args:
        low: the least frequency of the band.
        high: where the band ends; a coefficient at `high` is outside.

    Raises UserError where these are not 0 <= low < high <= 1.
    """

    proof: ClassVar[Norm | None] = "l2"
    unit: ClassVar[str] = lp_unit("l2")  # type: ignore[misc]
    low: float = 0.0
    high: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise UserError(f"frequency wants 0 <= low < high <= 1, got low={self.low:g}, high={self.high:g}")

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        theta = x.new_zeros(*x.shape[:2], *(ceil(self.high * side) for side in x.shape[-2:]))
        if noise is None:
            return theta
        draw = noise.normal(theta) * self._band(x)
        return draw * spread(eps / length(draw, "l2"), draw)

    def apply(self, x: Images, theta: Tensor) -> Images:
        rows, columns = (cosines(side, x.dtype, x.device) for side in x.shape[-2:])
        delta = rows[: theta.shape[2]].T @ theta @ columns[: theta.shape[3]]
        return (x + delta).clamp(0, 1)

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        theta = theta.mul_(self._band(x))
        shrink = (eps / length(theta, "l2").clamp_min(1e-12)).clamp(max=1)
        return theta.mul_(spread(shrink, theta))

    def measure(self, x: Images, theta: Tensor) -> PerImage:
        return torch.maximum(size(theta, "l2"), size(change(self.apply(x, theta), x), "l2"))

    def shrink(self, theta: Tensor, x: Images, share: PerImage) -> Tensor:
        return theta * spread(share, theta)

    def _band(self, x: Images) -> Tensor:
        """1 where a coefficient is in the band, else 0. Raises UserError where none is, for images of this size."""
        height, width = x.shape[-2:]
        rows, columns = (
            torch.arange(ceil(self.high * side), device=x.device, dtype=x.dtype) / side for side in (height, width)
        )
        band = torch.maximum(rows[:, None], columns[None]) >= self.low
        if not bool(band.any()):
            raise UserError(
                f"frequency(low={self.low:g},high={self.high:g}) holds no frequency of images of {height} x {width} "
                "pixels; widen the band"
            )
        return band.to(x.dtype)


@lru_cache(maxsize=16)
def cosines(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The orthonormal cosine transform (DCT-II) as a matrix (side, side), a row a frequency."""
    index = torch.arange(side, dtype=torch.float64)
    matrix = torch.cos(pi / side * index[:, None] * (index[None] + 0.5)) * (2 / side) ** 0.5
    matrix[0] /= 2**0.5
    return matrix.to(dtype=dtype, device=device)
