"""One smooth change of all colours of an image: equal colours stay equal (ReColorAdv)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.attacks.norms import change, size, spread
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage

_MOST_NODES = 33
_ROUNDING = 2.0**-24
"""What float32 adds, at most, when a change is added to a value in [0, 1]."""


@threat("colour", source="arXiv:1906.00001 (ReColorAdv, Laidlaw and Feizi, NeurIPS 2019)")
@dataclass(frozen=True)
class Colour(ThreatSet):
    """One change of colours for the whole image, smooth over the cube of all RGB colours.

    theta (n, 3, k, k, k): by how much red, green and blue change, at nodes of a lattice over blue, green and red; in
    between trilinear. The size is the largest change of a channel at any node, and so of any colour.

    Args:
        nodes: k, along each side of the cube. More nodes let like colours change less alike.

    Raises UserError for less than 2 nodes, and for more than 33.
    """

    norm: ClassVar[Norm] = "linf"  # type: ignore[misc]
    proof: ClassVar[Norm | None] = "linf"
    unit: ClassVar[str] = "largest change of a channel of any colour, RGB in [0, 1]"  # type: ignore[misc]
    nodes: int = 5

    def __post_init__(self) -> None:
        if not 2 <= self.nodes <= _MOST_NODES:
            raise UserError(f"colour wants 2 to {_MOST_NODES} nodes, got {self.nodes}")

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        theta = x.new_zeros(len(x), 3, self.nodes, self.nodes, self.nodes)
        return theta if noise is None else self.project(eps * (2 * noise.uniform(theta) - 1), x, eps)

    def apply(self, x: Images, theta: Tensor) -> Images:
        colours = (2 * x - 1).permute(0, 2, 3, 1)[:, None]
        changes = F.grid_sample(theta, colours, mode="bilinear", padding_mode="border", align_corners=True)
        return (x + changes[:, :, 0]).clamp(0, 1)

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        most = max(eps * (1 - 1e-6) - _ROUNDING, 0.0)
        return theta.clamp_(-most, most)

    def measure(self, x: Images, theta: Tensor) -> PerImage:
        return torch.maximum(size(theta, "linf"), size(change(self.apply(x, theta), x), "linf"))

    def shrink(self, theta: Tensor, x: Images, share: PerImage) -> Tensor:
        return theta * spread(share, theta)
