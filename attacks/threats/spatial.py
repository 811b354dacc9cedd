"""A smooth flow of pixels: each takes its colour from a place nearby, and neighbours move alike (stAdv)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.norms import spread
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.attacks.threats.resampled import largest_move, resampled
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage

_SLACK = 1e-4
"""Part of `tv` by which float32 may exceed it."""


@threat("spatial", source="arXiv:1801.02612 (stAdv); on metrics: Ghildyal and Liu, TMLR 2023")
@dataclass(frozen=True)
class Spatial(ThreatSet):
    """A smooth flow: each pixel takes its colour from a place at most eps pixels away.

    theta (n, 2, h, w): how many rows and columns the place lies away from the pixel. The size is the length of the
    longest of these vectors; it is infinite for a flow that varies more than `tv` allows.

    Args:
        tv: the most that the flow may vary, whatever eps: the mean over pixels of the lengths of the differences to the
            flow one pixel below and one pixel to the right, in pixels per pixel. 0 leaves whole-image shifts.
    """

    norm: ClassVar[Norm] = "linf"  # type: ignore[misc]
    unit: ClassVar[str] = "pixels, the largest displacement"  # type: ignore[misc]
    tv: float = 0.05

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        """A shift of the whole image with a random flow on it."""
        theta = torch.zeros_like(x[:, :2])
        if noise is None:
            return theta
        shift, flow = (2 * noise.uniform(like) - 1 for like in (theta[:, :, :1, :1], theta))
        return self.project((shift + flow) * eps / 2, x, eps)

    def apply(self, x: Images, theta: Tensor) -> Images:
        height, width = x.shape[-2:]
        rows, columns = (torch.arange(side, device=x.device, dtype=x.dtype) for side in (height, width))
        return resampled(x, rows[:, None] + theta[:, 0], columns + theta[:, 1])

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        """Long vectors are shortened; then a flow that varies too much is averaged over ever larger neighbourhoods.

        Means of vectors are no longer than the longest, so the second step does not undo the first.
        """
        lengths = _lengths(theta).clamp_min(torch.finfo(theta.dtype).tiny)
        return _smoothed(theta * (eps / lengths).clamp(max=1)[:, None], self.tv)

    def measure(self, x: Images, theta: Tensor) -> PerImage:
        longest = _lengths(theta.double()).flatten(1).amax(1)
        return torch.where(variation(theta) <= self.tv * (1 + _SLACK), longest, torch.inf)

    def shrink(self, theta: Tensor, x: Images, share: PerImage) -> Tensor:
        return theta * spread(share, theta)

    def l2_bound(self, x: Images, eps: PerImage) -> PerImage:
        """Of all flows, smooth or not."""
        return largest_move(x, eps[:, None, None].expand(len(x), *x.shape[-2:]))


def variation(flow: Tensor) -> PerImage:
    """The total variation (n,) of a flow (n, 2, h, w), a mean over its pixels."""
    down, right = (_lengths(flow.diff(dim=along)).sum((1, 2), dtype=torch.float64) for along in (2, 3))
    return (down + right) / (flow.shape[2] * flow.shape[3])


def _lengths(flow: Tensor) -> Tensor:
    """The length (n, h, w) of each vector. A norm over a dimension of two is ten times slower."""
    return torch.hypot(flow[:, 0], flow[:, 1])


def _smoothed(flow: Tensor, most: float) -> Tensor:
    """A flow whose variation is at most `most`; one that has no more is left as it is.

    Each round blurs twice as wide, and the last leaves the mean alone. The first blurred flow that varies little enough
    is mixed with the one before it. The variation of a mixture is at most the mixture of the variations.
    """
    before, varies = flow, variation(flow)
    index = (varies > most * (1 + _SLACK / 2)).nonzero().flatten()
    if not len(index):
        return flow
    out, before, varies, half = flow.clone(), flow[index], varies[index], 1
    while len(index):
        after = _blurred(before, half) if half < max(flow.shape[-2:]) else before.mean((2, 3), keepdim=True)
        after = after.expand_as(before)
        less = variation(after)
        enough = less <= most
        share = ((most - less) / (varies - less)).clamp(0, 1).to(flow.dtype)
        out[index[enough]] = torch.lerp(after, before, spread(share, before))[enough]
        index, before, varies, half = index[~enough], after[~enough], less[~enough], 2 * half
    return out


def _blurred(flow: Tensor, half: int) -> Tensor:
    """Means over squares of 2 half + 1 pixels; beyond the edge the flow of the edge goes on."""
    rows, columns = (_means(side, half, flow.dtype, flow.device) for side in flow.shape[-2:])
    return rows @ flow @ columns.T


@lru_cache(maxsize=32)
def _means(side: int, half: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The mean over 2 half + 1 places of a line as a matrix (side, side): faster on CPUs than pooling."""
    places = (torch.arange(side)[:, None] + torch.arange(-half, half + 1)[None]).clamp(0, side - 1)
    matrix = torch.zeros(side, side, dtype=torch.float64)
    matrix.scatter_add_(1, places, torch.full(places.shape, 1 / (2 * half + 1), dtype=torch.float64))
    return matrix.to(dtype=dtype, device=device)
