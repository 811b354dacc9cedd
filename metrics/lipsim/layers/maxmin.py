"""Layers that are a linear map of norm at most 1, a bias and MaxMin: the families beside SLL."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.metrics.lipsim.layers.maps import Map


def max_min(x: Tensor) -> Tensor:
    """Larger and smaller of the first and second half of the channels (n, c, ...); keeps norms of gradients.

    Source: Anil, Lucas & Grosse, ICML 2019 (arXiv:1811.05381), there as GroupSort.
    """
    one, other = x.chunk(2, 1)
    return torch.cat([torch.maximum(one, other), torch.minimum(one, other)], 1)


class MaxMinLayer(nn.Module):
    """What convolutions and dense layers share: MaxMin(K x + b).

    Args:
        kernel: K, recomputed from its parameters in each pass.
        units: length of b.
    """

    def __init__(self, kernel: Map, units: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.bias = nn.Parameter(torch.zeros(units))

    def linear(self, x: Tensor, kernel: Tensor) -> Tensor:
        """K x + b."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        # Under autocast the norms would be taken in bfloat16.
        with torch.autocast(x.device.type, enabled=False):
            kernel = self.kernel()
        return max_min(self.linear(x, kernel))

    def frozen(self) -> "MaxMinLayer":
        """The same map with its kernel as plain weights, derived in float64."""
        made = copy.deepcopy(self)
        made.kernel = self.kernel.given()
        del made.bias
        made.register_buffer("bias", self.bias.detach())
        return made


class MaxMinConv(MaxMinLayer):
    """On (n, channels, h, w), stride 1, zero padding."""

    def linear(self, x: Tensor, kernel: Tensor) -> Tensor:
        return F.conv2d(x, kernel[0], self.bias, padding=kernel.shape[-1] // 2)


class MaxMinDense(MaxMinLayer):
    """On (n, features), in blocks: a whole square matrix would have features**2 weights.

    Args:
        strided: a block takes every n-th feature, n the number of blocks, and not n neighbours. On flattened
            images with as many channels as a block has units it then mixes the channels at one position.
    """

    def __init__(self, kernel: Map, units: int, strided: bool) -> None:
        super().__init__(kernel, units)
        self.strided = strided

    def linear(self, x: Tensor, kernel: Tensor) -> Tensor:
        matrices = kernel[..., 0, 0]
        blocks, side, _ = matrices.shape
        if self.strided:
            y = torch.einsum("bij,njb->nib", matrices, x.unflatten(1, (side, blocks)))
        else:
            y = torch.einsum("bij,nbj->nbi", matrices, x.unflatten(1, (blocks, side)))
        return y.flatten(1) + self.bias
