"""How often a channel changes over the image in place of where: a rotation with nothing to learn."""

from torch import Tensor, nn

from perceptbench.metrics.lipsim.layers.stem import dct_matrix


class Spectrum(nn.Module):
    """The orthonormal DCT-II of every channel over a square grid of positions; same shape.

    Two photographs of one thing rarely have it in the same place. A weight for each position cannot forgive
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
