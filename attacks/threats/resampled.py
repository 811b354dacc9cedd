"""Images whose pixels take their colours from other places, and how far such a move can change them.

Places are counted in pixels, rows from the top and columns from the left; between pixels colours are bilinear, and
beyond the edge those of the edge go on.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.tensors import Images, PerImage

_WIDEST = 32
"""Half the side of the largest window that is searched; a pixel that reaches further may take any colour."""


def resampled(x: Images, rows: Tensor, columns: Tensor) -> Images:
    """Each pixel takes the colour of x at its place (n, h, w); differentiable in the places.

    A place on a pixel gives exactly the colour of that pixel.
    """
    height, width = x.shape[-2:]
    down, right = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    top, left = down.detach().floor(), right.detach().floor()
    below, beside = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    across, along = (right - left)[:, None], (down - top)[:, None]
    upper = torch.lerp(_at(x, top, left), _at(x, top, beside), across)
    lower = torch.lerp(_at(x, below, left), _at(x, below, beside), across)
    return torch.lerp(upper, lower, along).clamp(0, 1)


def _at(x: Images, rows: Tensor, columns: Tensor) -> Images:
    """The colours at whole places (n, h, w)."""
    n, channels, height, width = x.shape
    place = (rows.long() * width + columns.long()).reshape(n, 1, -1).expand(n, channels, -1)
    return x.reshape(n, channels, -1).gather(2, place).view(n, channels, height, width)


def largest_move(x: Images, reach: Tensor) -> PerImage:
    """A bound (n,) of the l2 norm of x' - x, in float64, where each pixel of x' is `resampled` within its reach.

    A place at distance r of a pixel lies among pixels at most ceil(r) rows and columns away, and its colour is a mean
    of theirs. So each channel changes by no more than the largest difference in that window, for r < 1 by no more than
    the weight that the others can have: 1 - (1 - |a|)(1 - |b|) with a^2 + b^2 = r^2. Squares are added over pixels
    and channels.

    Args:
        reach: (n, h, w), in pixels.
    """
    side = max(x.shape[-2:])
    # Places are float32 numbers, and so are the colours in between and the numbers here.
    reach = reach.double() + side * 2.0**-23
    window, weights = reach.ceil()[:, None], _weight_of_others(reach)[:, None].to(x.dtype)
    most = torch.zeros_like(x)
    high = low = x
    for half in range(1, min(int(window.max()), _WIDEST, side) + 1):
        high, low = F.max_pool2d(high, 3, 1, 1), -F.max_pool2d(-low, 3, 1, 1)
        widest = torch.maximum(high - x, x - low)
        most = torch.where(window >= half, widest * weights if half == 1 else widest, most)
    if bool((window > _WIDEST).any()):
        anywhere = torch.maximum(x.amax((2, 3), keepdim=True) - x, x - x.amin((2, 3), keepdim=True))
        most = torch.where(window > _WIDEST, anywhere, most)
    return ((1 + 1e-6) * most.double() + 2.0**-23).flatten(1).norm(dim=1)


def _weight_of_others(reach: Tensor) -> Tensor:
    """The largest weight of the other pixels at a distance of up to `reach`.

    It is r u - r^2 (u^2 - 1) / 2 with u = (|a| + |b|) / r, which lies between 1 (along an axis) and sqrt(2) (along a
    diagonal); u = 1 / r would be best.
    """
    r = reach.clamp(max=1)
    u = (1 / r).clamp(1, 2**0.5)
    return r * u - r.square() * (u.square() - 1) / 2
