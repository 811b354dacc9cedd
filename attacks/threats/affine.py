"""Rotation, translation and scale of the whole image, within a box (Engstrom et al., ICML 2019)."""

from dataclasses import dataclass
from math import pi
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.attacks.threats.resampled import largest_move, resampled
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage

_FARTHEST = 1e6
"""No image is enlarged more often than that."""


@threat("affine", source="arXiv:1712.02779 (Engstrom et al., ICML 2019)")
@dataclass(frozen=True)
class Affine(ThreatSet):
    """Rotation, translation and scale of the whole image; the sides of the box are arguments, and eps multiplies them.

    theta (n, 4), each part in shares of its side: the picture is turned counter-clockwise around its middle, moved to
    the right, moved down, and enlarged (a share s enlarges it 1 + scale / 100 to the power of s). Colours are bilinear,
    and what comes in from beyond the edge is the edge. The size is the largest share.

    Args:
        rotation: degrees.
        translation: pixels, along each axis.
        scale: per cent.

    Raises UserError for a box without any side.
    """

    norm: ClassVar[Norm] = "linf"  # type: ignore[misc]
    rotation: float = 10.0
    translation: float = 3.0
    scale: float = 5.0

    def __post_init__(self) -> None:
        if not any(self.sides):
            raise UserError("affine wants a rotation, translation or scale above 0, got none; give one")

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """Of the box, in the order of theta."""
        return self.rotation, self.translation, self.translation, self.scale

    @property
    def unit(self) -> str:  # type: ignore[override]
        return (
            f"shares of a box: rotation {self.rotation:g} degrees, translation {self.translation:g} pixels, "
            f"scale {self.scale:g} per cent"
        )

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        """A random point of the box."""
        theta = x.new_zeros(len(x), 4)
        return theta if noise is None else self.project(eps * (2 * noise.uniform(theta) - 1), x, eps)

    def apply(self, x: Images, theta: Tensor) -> Images:
        height, width = x.shape[-2:]
        degrees, right, down, _ = (theta * theta.new_tensor(self.sides)).unbind(1)
        middle = (height - 1) / 2, (width - 1) / 2
        rows, columns = (torch.arange(side, device=x.device, dtype=x.dtype) for side in (height, width))
        # The place from which a pixel takes its colour: the inverse of what happens to the picture.
        y = (rows[:, None] - middle[0])[None] - down[:, None, None]
        x_ = (columns - middle[1])[None, None] - right[:, None, None]
        shrunk = ((1 + self.scale / 100) ** -theta[:, 3]).clamp(1 / _FARTHEST, _FARTHEST)
        cos, sin = ((shrunk * f(degrees * (pi / 180)))[:, None, None] for f in (torch.cos, torch.sin))
        return resampled(x, sin * x_ + cos * y + middle[0], cos * x_ - sin * y + middle[1])

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        return theta.clamp_(-eps, eps).mul_((theta.new_tensor(self.sides) > 0).to(theta))

    def measure(self, x: Images, theta: Tensor) -> PerImage:
        return theta.double().abs().amax(1)

    def shrink(self, theta: Tensor, x: Images, share: PerImage) -> Tensor:
        return theta * share[:, None]

    def l2_bound(self, x: Images, eps: PerImage) -> PerImage:
        """From how far each pixel can take its colour: |q - p| <= |p - middle| |s R - 1| + s |t|, at most.

        With R a rotation by the angle a and s a factor of at most 1 + b, |s R - 1|^2 <= b^2 + 2 (1 + b)(1 - cos a).
        """
        height, width = x.shape[-2:]
        eps = eps.double()
        angle = (eps * self.rotation * (pi / 180)).clamp(max=pi)
        grown = ((1 + self.scale / 100) ** eps - 1).clamp(max=_FARTHEST)
        turned = (grown.square() + 2 * (1 + grown) * (1 - angle.cos())).sqrt()
        rows, columns = (
            torch.arange(side, device=x.device, dtype=torch.float64) - (side - 1) / 2 for side in (height, width)
        )
        away = torch.hypot(rows[:, None], columns[None])
        moved = (1 + grown) * eps * self.translation * 2**0.5
        return largest_move(x, turned[:, None, None] * away + moved[:, None, None])
