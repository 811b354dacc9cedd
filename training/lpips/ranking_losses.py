"""Losses on two LPIPS distances (Zhang et al., CVPR 2018, arXiv:1801.03924, section 3.3 and appendix).

d0 and d1 are the distances of the reference to left and right, shape (n,); `share` is that of people
who preferred right, in [0, 1].
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TINY = 0.01
_HIDDEN = 32


class Comparison(nn.Module):
    """G(d0, d1): from two distances to the logit that people prefer right.

    Sees d0, d1, their difference and both ratios, through two hidden layers of 32. It is used in
    training only and thrown away afterwards, as in the original.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, _HIDDEN), nn.LeakyReLU(0.2), nn.Linear(_HIDDEN, _HIDDEN), nn.LeakyReLU(0.2),
            nn.Linear(_HIDDEN, 1),
        )  # fmt: skip

    def forward(self, d0: Tensor, d1: Tensor) -> Tensor:
        inputs = torch.stack((d0, d1, d0 - d1, d0 / (d1 + _TINY), d1 / (d0 + _TINY)), dim=1)
        return self.layers(inputs)[:, 0]  # type: ignore[no-any-return]


class CrossEntropy(nn.Module):
    """2AFC cross-entropy: -share log p - (1 - share) log(1 - p), with p the sigmoid of G(d0, d1)."""

    def __init__(self) -> None:
        super().__init__()
        self.compare = Comparison()

    def forward(self, d0: Tensor, d1: Tensor, share: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.compare(d0, d1), share)


class Ranking(nn.Module):
    """max(0, margin + d_preferred - d_other), weighted by how far people agreed: |2 share - 1|."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, d0: Tensor, d1: Tensor, share: Tensor) -> Tensor:
        towards = 2 * share - 1
        return (towards.abs() * F.relu(self.margin + towards.sign() * (d1 - d0))).mean()


class Regression(nn.Module):
    """(d - d_human)^2, where the human distance of an image is the share of people who took the other one."""

    def forward(self, d0: Tensor, d1: Tensor, share: Tensor) -> Tensor:
        return ((d0 - share).square() + (d1 - (1 - share)).square()).mean() / 2


def make_loss(kind: str, margin: float) -> nn.Module:
    """The loss of a name; a module, since the first has weights of its own."""
    if kind == "2afc":
        return CrossEntropy()
    return Ranking(margin) if kind == "ranking" else Regression()
