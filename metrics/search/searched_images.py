"""A gallery of images, for a metric without an embedding: every look passes all of them through the metric."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Metric, Representation
from perceptbench.metrics.search.looked_up import LookedUp
from perceptbench.metrics.search.represented import first_part, how_many, one_row, repeated

_BLOCK = 8
"""Images of a gallery that pass at once through a metric without an embedding."""


@dataclass(frozen=True, eq=False)
class SearchedImages:
    """Images that are read when a look wants them.

    Args:
        read: some images (m, 3, h, w) by their places.
        count: how many there are.
    """

    metric: Metric
    read: Callable[[Sequence[int]], Images]
    count: int

    def __len__(self) -> int:
        return self.count

    @torch.no_grad()
    def _table(self, represented: Representation) -> Float[Tensor, "n g"]:
        queries = [one_row(represented, i) for i in range(how_many(represented))]
        columns = []
        for start in range(0, self.count, _BLOCK):
            some = range(start, min(start + _BLOCK, self.count))
            shown = self.metric.represent(self.read(some).to(first_part(represented).device))
            # One query at a time beside a block of the gallery.
            columns.append(torch.stack([self.metric.compare(repeated(q, len(some)), shown) for q in queries]))
        return torch.cat(columns, dim=1)

    def look(self, represented: Representation) -> LookedUp:
        return LookedUp.exactly(self._table(represented), lambda place: self._distance(represented, place))

    def select(self, index: Tensor) -> "SearchedImages":
        return self

    def _distance(self, represented: Representation, place: Tensor) -> PerImage:
        with torch.no_grad():
            shown = self.metric.represent(self.read(place.tolist()).to(first_part(represented).device))
        return self.metric.compare(represented, shown)
