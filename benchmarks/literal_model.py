"""(a): one step as the paper's public code takes it.

Its model embeds reference, left and right at every call, gradients enabled, by a network that
derives the scales of all its layers anew in every pass; its answer is two logits, the cosine
distances to the other image. What that code does well is done here too: parameters are frozen, so
that no gradient is made for them, and only the reference requires one; wrong answers are dropped
before the attack. AutoAttack itself is upstream's own code (`upstream_autoattack.py`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.row_finder import RowFinder
from perceptbench.core.tensors import Images


class Literal(nn.Module):
    """Images (n, 3, h, w) of some rows of a batch to logits (n, 2); label 1 is `right`.

    Args:
        net: unfrozen in its scales, frozen in its parameters.
        left, right: the fixed images of every row.
    """

    def __init__(self, net: nn.Module, left: Images, right: Images, rows: RowFinder) -> None:
        super().__init__()
        self.net, self.left, self.right, self.rows = net, left, right, rows

    def forward(self, x: Images) -> Tensor:
        rows = self.rows(x)
        # Three calls, as there: what is derived from the parameters is derived in each of them.
        reference, left, right = (self.net(image) for image in (x, self.left[rows], self.right[rows]))
        to_left, to_right = (1 - F.cosine_similarity(reference, other) for other in (left, right))
        return torch.stack((to_right, to_left), dim=1)
