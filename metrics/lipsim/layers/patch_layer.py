"""SLL layers whose scales are exact: orthonormal weights on windows that do not overlap.

A layer of `sll.py` is x - A relu(A^T x + b) with |A|^2 <= 2. There the norm of a convolution is
bounded by row sums, which leave most singular values of A far below what they may be. Windows that
do not overlap make A one small matrix, repeated, whose norm is known: here A = W diag(sqrt(s)) with
W^T W = 1 and 0 < s < 2. At s = 1 what a hidden unit detects is taken out of x, at s = 2 it is
mirrored: the layer chooses, for each unit, between forgetting and folding. Some windows are
shifted by half their side, so that all pixels meet.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.metrics.lipsim.layers.orthonormal import Plain, at_most, orthonormal

_START = 1.5


def split(x: Tensor, k: int, before: int = 0) -> Tensor:
    """Tokens (n, h, w, c) to windows (n, rows, columns, k * k * c): zeros in front, and behind what is missing."""
    n, height, width, c = x.shape
    if before or height % k or width % k:
        x = F.pad(x, (0, 0, before, (-width - before) % k, before, (-height - before) % k))
        height, width = x.shape[1:3]
    blocks = x.view(n, height // k, k, width // k, k, c).transpose(2, 3)
    return blocks.reshape(n, height // k, width // k, k * k * c)


def join(x: Tensor, k: int, height: int, width: int, before: int = 0) -> Tensor:
    """The tokens (n, height, width, c) of which `split` made the windows."""
    n, rows, columns, features = x.shape
    blocks = x.view(n, rows, columns, k, k, features // k**2).transpose(2, 3)
    wide = blocks.reshape(n, rows * k, columns * k, features // k**2)
    return wide[:, before : before + height, before : before + width]


def fold(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """x - A relu(A^T x + b) over the last axis; `a` is A^T, (inner, features)."""
    return x - F.relu(F.linear(x, a, b)) @ a


def fold_patches(x: Tensor, a: Tensor, b: Tensor, k: int, shifted: bool) -> Tensor:
    """`fold` on windows of side k. Zeros around an image, and leaving them out again, have norm 1."""
    if k == 1:
        return fold(x, a, b)
    before = k // 2 if shifted else 0
    height, width = x.shape[1:3]
    return join(fold(split(x, k, before), a, b), k, height, width, before)


class Folding(nn.Module):
    """A and b, as windows of images and whole embeddings share them: `inner` rows over `features` inputs."""

    def __init__(self, features: int, inner: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(inner, features)))
        self.bias = nn.Parameter(torch.zeros(inner))
        # On the CPU, also where a network without values is made: there torch would import its compiler for it.
        self.fold = nn.Parameter(torch.logit(torch.full((inner,), _START / 2, device="cpu")))

    def scaled(self) -> Tensor:
        """A^T, (inner, features)."""
        # Under autocast the products would be taken in bfloat16.
        with torch.autocast(self.weight.device.type, enabled=False):
            return orthonormal(self.weight) * (2 * self.fold.sigmoid()).sqrt()[:, None]

    @torch.no_grad()
    def rounded(self) -> Tensor:
        """A^T derived in float64, its norm verified there."""
        exact = orthonormal(self.weight.double()) * (2 * self.fold.double().sigmoid()).sqrt()[:, None]
        return at_most(exact, 2.0).to(self.weight.dtype)


class PatchSLL(Folding):
    """One layer on tokens (n, h, w, channels).

    Args:
        inner: hidden units of a window, at most channels * window**2.
    """

    def __init__(self, channels: int, inner: int, window: int, shifted: bool) -> None:
        super().__init__(channels * window**2, inner)
        self.window, self.shifted = window, shifted

    def forward(self, x: Tensor) -> Tensor:
        return fold_patches(x, self.scaled(), self.bias, self.window, self.shifted)

    def frozen(self) -> "FrozenPatchSLL":
        """The same map with A as plain weights."""
        return FrozenPatchSLL(self.rounded(), self.bias.detach(), self.window, self.shifted)


class FrozenPatchSLL(Plain):
    """x - A relu(A^T x + b) with plain weights."""

    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, window: int, shifted: bool) -> None:
        super().__init__(weight)
        self.window, self.shifted = window, shifted
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        return fold_patches(x, self.weight, self.bias, self.window, self.shifted)


class Merge(nn.Module):
    """Windows of 2 x 2 tokens to one, by orthonormal rows: (n, h, w, channels) to (n, h / 2, w / 2, to).

    Starts as the sum-pool; further rows, where `to` is larger, as differences of the same channels.
    """

    def __init__(self, channels: int, to: int) -> None:
        super().__init__()
        # On the CPU, also where a network without values is made.
        with torch.device("cpu"):
            haar = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
            rows = torch.arange(to)
            weight = torch.zeros(to, 4, channels)
            weight[rows, :, rows % channels] = haar[rows // channels]
        self.weight = nn.Parameter(weight.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            a = orthonormal(self.weight)
        return F.linear(split(x, 2), a)

    @torch.no_grad()
    def frozen(self) -> "FrozenMerge":
        """The same map with plain weights, its norm verified in float64."""
        return FrozenMerge(at_most(orthonormal(self.weight.double()), 1.0).to(self.weight.dtype))


class FrozenMerge(Plain):
    """Plain weights."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(split(x, 2), self.weight)
