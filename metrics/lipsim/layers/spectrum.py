"""Frequencies: the orthonormal DCT, and the layer that turns positions into frequencies. Nothing is learnt."""

import math

import torch
from torch import Tensor, nn


def dct_matrix(side: int) -> Tensor:
    """The orthonormal DCT-II of blocks of pixels (Ahmed, Natarajan & Rao 1974): float64 (side**2, side**2).

    Row u * side + v is the pattern of frequencies u downwards and v across; row 0 is the mean times `side`.
    On the CPU, wherever the network is made.
    """
    at = torch.arange(side, dtype=torch.float64, device="cpu")
    frequency = at[:, None]
    one = torch.cos(math.pi * frequency * (at + 0.5) / side) * math.sqrt(2 / side)
    one[0] /= math.sqrt(2)
    return torch.kron(one, one)


class Spectrum(nn.Module):
    """The orthonormal DCT-II of every channel over a square grid of positions; same shape.

    Two photographs of one thing rarely show it in the same place. A weight for each position cannot allow for
    that; a weight for each frequency can, since a shift changes low frequencies least.

    Args:
        side: positions along each axis of the grid.
        tokens: whether the layout is (n, side, side, c); else (n, c, side, side).
    """

    matrix: Tensor

    def __init__(self, side: int, tokens: bool) -> None:
        super().__init__()
        self.tokens = tokens
        # Divided by what rounding to float32 may add to its norm: 2^-24 |matrix|_F = 2^-24 side, twice over.
        self.register_buffer("matrix", (dct_matrix(side) / (1 + 2**-23 * side)).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.matrix.to(x.dtype)
        if self.tokens:
            return (matrix @ x.flatten(1, 2)).view(x.shape)
        return (x.flatten(2) @ matrix.mT).view(x.shape)
