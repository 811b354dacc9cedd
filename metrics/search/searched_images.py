"""A gallery of images, for a metric without an embedding: a look compares a query with what it keeps of each image.

That is computed once while it fits into memory, as that of hashes does, and at every look where it does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Metric, Representation
from perceptbench.metrics.search.looked_up import LookedUp
from perceptbench.metrics.search.represented import first_part, how_many, numbers_in, one_row, repeated

_BLOCK = 8
"""Images of a gallery that pass at once through a metric without an embedding."""
_KEPT = 2**26
"""Numbers of represented images that stay in memory: 256 MiB in float32."""


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
    _kept: dict[int, Representation] = field(default_factory=dict, repr=False)
    """Represented blocks, by the place where each begins."""

    def __len__(self) -> int:
        return self.count

    @torch.no_grad()
    def _table(self, represented: Representation) -> Float[Tensor, "n g"]:
        queries = [one_row(represented, i) for i in range(how_many(represented))]
        columns = []
        for start in range(0, self.count, _BLOCK):
            shown = self._block(start, first_part(represented).device)
            # One query at a time beside a block of the gallery.
            columns.append(torch.stack([self.metric.compare(repeated(q, how_many(shown)), shown) for q in queries]))
        return torch.cat(columns, dim=1)

    def _block(self, start: int, device: torch.device) -> Representation:
        if start not in self._kept:
            shown = self.metric.represent(self.read(range(start, min(start + _BLOCK, self.count))).to(device))
            # Blocks are of one size, so the number of them says how much is kept.
            if (len(self._kept) + 1) * numbers_in(shown) > _KEPT:
                return shown
            self._kept[start] = shown
        return self._kept[start]

    def look(self, represented: Representation) -> LookedUp:
        return LookedUp.exactly(self._table(represented), lambda place: self._distance(represented, place))

    def select(self, index: Tensor) -> "SearchedImages":
        return self

    def _distance(self, represented: Representation, place: Tensor) -> PerImage:
        with torch.no_grad():
            shown = self.metric.represent(self.read(place.tolist()).to(first_part(represented).device))
        return self.metric.compare(represented, shown)
