"""A short list of images for each query: who is near enough to matter while it is attacked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Metric, Representation
from perceptbench.metrics.search.looked_up import LookedUp
from perceptbench.metrics.search.represented import joined, one_row, repeated


@dataclass(frozen=True, eq=False)
class ShortLists:
    """A list of images for each query, represented once and kept in memory.

    Args:
        lists: for each query, its images as `metric.represent` gives them, as many for each.
        count: how many.
    """

    metric: Metric
    lists: tuple[Representation, ...]
    count: int

    @classmethod
    @torch.no_grad()
    def of(cls, metric: Metric, read: Callable[[Sequence[int]], Images], places: Int[Tensor, "n m"]) -> "ShortLists":
        """For the images at these places."""
        shown = tuple(metric.represent(read(row.tolist()).to(places.device)) for row in places)
        return cls(metric, shown, places.shape[1])

    def __len__(self) -> int:
        return self.count

    def look(self, represented: Representation) -> LookedUp:
        with torch.no_grad():
            queries = [repeated(one_row(represented, i), self.count) for i in range(len(self.lists))]
            table = torch.stack([self.metric.compare(q, list_) for q, list_ in zip(queries, self.lists, strict=True)])
        return LookedUp.exactly(table, lambda place: self._distance(represented, place))

    def select(self, index: Tensor) -> "ShortLists":
        return ShortLists(self.metric, tuple(self.lists[i] for i in index.tolist()), self.count)

    def _distance(self, represented: Representation, place: Tensor) -> PerImage:
        rows = [one_row(list_, i) for list_, i in zip(self.lists, place.tolist(), strict=True)]
        return self.metric.compare(represented, joined(rows))
