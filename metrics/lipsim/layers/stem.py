"""From pixels to channels and down in size, by maps of norm 1 with nothing to learn."""

import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.metrics.lipsim.layers.spectrum import dct_matrix


def sum_pool(x: Tensor, window: int) -> Tensor:
    """Sum over non-overlapping windows divided by their side: operator norm exactly 1."""
    return F.avg_pool2d(x, window) * window


class SumPool(nn.Module):
    """`sum_pool` as the end of a stage."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        return sum_pool(x, self.window)


def unshuffle(x: Tensor, side: int) -> Tensor:
    """`pixel_unshuffle`, the same numbers lying channels last: one copy where two were made, and
    gradients come back in the layout of images."""
    n, channels, height, width = x.shape
    blocks = x.reshape(n, channels, height // side, side, width // side, side).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(n, height // side, width // side, channels * side**2).permute(0, 3, 1, 2)


class Stem(nn.Module):
    """Minus 1/2, pool, blocks to channels, basis, zeros: (n, 3, h, w) to (n, channels, smaller h, smaller w).

    Args:
        side: of the blocks of pixels that become channels, after pooling.
        pre_pool: window of a sum-pool before that.
        dct: whether the channels are frequencies of a block in place of its pixels.
        channels: zeros are added up to this many.
    """

    dct: Tensor | None

    def __init__(self, side: int, pre_pool: int, dct: bool, channels: int) -> None:
        super().__init__()
        self.side, self.pre_pool, self.channels = side, pre_pool, channels
        # Divided by what rounding to float32 may add to its norm: 2^-24 |matrix|_F = 2^-24 side, twice over.
        basis = dct_matrix(side) / (1 + 2**-23 * side) if dct else None
        self.register_buffer("dct", None if basis is None else basis.float()[..., None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # Mid-grey at zero, so that cosines compare contrast and not brightness.
        x = x - 0.5
        if self.pre_pool > 1:
            x = sum_pool(x, self.pre_pool)
        x = unshuffle(x, self.side)
        if self.dct is not None:
            x = F.conv2d(x, self.dct.repeat(3, 1, 1, 1), groups=3)
        missing = self.channels - x.shape[1]
        return F.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x
