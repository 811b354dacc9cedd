"""Goals about places in a search: push every right match out of the top k, or pull a rival into it."""

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.base import Metric
from perceptbench.metrics.search.look import Searched


@dataclass(frozen=True, eq=False)
class LeaveTop(Objective):
    """Push the query away until k rivals are at least as near as its nearest right image.

    The loss is d(x, i) - d(x, j): i is the nearest right image, j the k-th nearest rival, both chosen anew at every
    step. For k = 1 this is the flip of the triplet (x, i, j) with the strongest rival j. A tie counts as success.

    Args:
        searched: the images that are looked at: the gallery, or a short list with every right image in it.
        right: (n, g), the right images of each query.
        rivals: (n, g), the images that compete with them.
    """

    metric: Metric
    searched: Searched
    right: Bool[Tensor, "n g"]
    rivals: Bool[Tensor, "n g"]
    k: int

    def loss(self, x: Images) -> PerImage:
        look = self.searched.look(self.metric.represent(x))
        match, _ = look.nearest(self.right, 1)
        cut, _ = look.nearest(self.rivals, self.k)
        return look.distance(match[:, 0]) - look.distance(cut[:, -1])

    def reached(self, loss: PerImage) -> Mask:
        return loss >= 0

    def select(self, index: Tensor) -> "LeaveTop":
        return LeaveTop(self.metric, self.searched.select(index), self.right[index], self.rivals[index], self.k)


@dataclass(frozen=True, eq=False)
class EnterTop(Objective):
    """Pull the query towards a rival until fewer than k others are nearer than it. A tie counts as success.

    The loss is d(x, j) - d(x, rival), j the k-th nearest of the others.

    Args:
        searched: the images that are looked at.
        rival: (n,), the place of each query's rival among them.
        others: (n, g), the images that the rival has to overtake.
        whole: whether all images of the gallery are looked at. Of a short list a success is none yet: others of the
            gallery may be nearer.
    """

    metric: Metric
    searched: Searched
    rival: Tensor
    others: Bool[Tensor, "n g"]
    k: int
    whole: bool = True

    def loss(self, x: Images) -> PerImage:
        look = self.searched.look(self.metric.represent(x))
        cut, _ = look.nearest(self.others, self.k)
        return look.distance(cut[:, -1]) - look.distance(self.rival)

    def reached(self, loss: PerImage) -> Mask:
        return (loss >= 0) & self.whole

    def select(self, index: Tensor) -> "EnterTop":
        searched = self.searched.select(index)
        return EnterTop(self.metric, searched, self.rival[index], self.others[index], self.k, self.whole)
