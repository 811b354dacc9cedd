"""A learnt weight for each coordinate, so that the network can leave out what does not help."""

import torch
from torch import Tensor, nn


class Scaling(nn.Module):
    """diag(s) on channels or features (n, c, ...), s = exp(l - max l): at most 1, whatever l; 1 to start with.

    Only ratios are learnt: the largest weight stays 1, since scaling all down would only lose radius.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.zeros(units))

    def forward(self, x: Tensor) -> Tensor:
        s = (self.log - self.log.amax()).exp()
        return x * s.view(-1, *[1] * (x.dim() - 2))

    @torch.no_grad()
    def frozen(self) -> "FrozenScaling":
        """The same map with s as plain weights."""
        return FrozenScaling((self.log - self.log.amax()).exp())


class FrozenScaling(nn.Module):
    """Plain weights. No entry exceeds 1: exp of what is not positive does not, rounded or not."""

    s: Tensor

    def __init__(self, s: Tensor) -> None:
        super().__init__()
        self.register_buffer("s", s)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.s.view(-1, *[1] * (x.dim() - 2))
