"""Pixels to channels by orthonormal rows: what is kept of each patch is learnt, and starts as its low frequencies."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.metrics.lipsim.layers.orthonormal import Plain, at_most, orthonormal
from perceptbench.metrics.lipsim.layers.spectrum import dct_matrix


def low_frequencies(side: int, to: int) -> Tensor:
    """The `to` lowest frequencies of coloured patches: orthonormal rows (to, 3 * side**2), low ones first.

    Of brightness and of two differences of colour; colour counts as twice as high, as the eye sees it coarser.
    On the CPU, also where a network without values is made: there torch would import its compiler for these lines.
    """
    with torch.device("cpu"):
        return _low_frequencies(side, to)


def _low_frequencies(side: int, to: int) -> Tensor:
    colours = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float64)
    colours = colours / colours.norm(dim=1, keepdim=True)
    rows = torch.kron(colours, dct_matrix(side))
    at = torch.arange(side)
    frequency = (at[:, None] + at).flatten()
    order = torch.cat([frequency, 2 * frequency + 1, 2 * frequency + 1]).argsort(stable=True)
    return rows[order[:to]]


class Patches(nn.Module):
    """Images (n, 3, h, w) in [0, 1] to tokens (n, h / side, w / side, to): orthonormal rows on patches."""

    def __init__(self, side: int, to: int) -> None:
        super().__init__()
        self.side = side
        self.weight = nn.Parameter(low_frequencies(side, to).float())

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            a = orthonormal(self.weight)
        return F.linear(patches(x, self.side), a)

    @torch.no_grad()
    def frozen(self) -> "FrozenPatches":
        """The same map with plain weights, its norm verified in float64."""
        return FrozenPatches(at_most(orthonormal(self.weight.double()), 1.0).to(self.weight.dtype), self.side)


class FrozenPatches(Plain):
    """Plain weights."""

    def __init__(self, weight: Tensor, side: int) -> None:
        super().__init__(weight)
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(patches(x, self.side), self.weight)


def patches(x: Tensor, side: int) -> Tensor:
    """(n, 3, h, w) to (n, h / side, w / side, 3 * side**2), mid-grey at zero, so that cosines compare contrast."""
    n, channels, height, width = x.shape
    blocks = (x - 0.5).view(n, channels, height // side, side, width // side, side).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(n, height // side, width // side, channels * side**2)
