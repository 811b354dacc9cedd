"""Horizontal shifts of an image by a part of a pixel or more; what leaves on one side is not seen again."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, PerImage


@threat("shift", source="this example")
@dataclass(frozen=True)
class Shift(ThreatSet):
    """theta (n, 1): how many pixels each image moves to the right, bilinear in between; edges are continued."""

    unit: ClassVar[str] = "pixels"

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        theta = x.new_zeros(len(x), 1)
        return theta if noise is None else eps * (2 * noise.uniform(theta) - 1)

    def apply(self, x: Images, theta: Tensor) -> Images:
        n, channels, height, width = x.shape
        place = (torch.arange(width, device=x.device) - theta).clamp(0, width - 1)
        left = place.detach().floor().long()
        right = (left + 1).clamp(max=width - 1)
        columns = (index[:, None, None, :].expand(n, channels, height, width) for index in (left, right))
        here, beside = (x.gather(3, index) for index in columns)
        return torch.lerp(here, beside, (place - left)[:, None, None, :]).clamp(0, 1)

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        return theta.clamp_(-eps, eps)

    def measure(self, x: Images, theta: Tensor) -> PerImage:
        return theta[:, 0].double().abs()

    def shrink(self, theta: Tensor, x: Images, share: PerImage) -> Tensor:
        return theta * share[:, None]
