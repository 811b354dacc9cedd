"""A gallery of embeddings, which may be larger than memory.

Where a metric's order is that of Euclidean distances of points, one matrix product finds who may count. Whoever is too
near to a boundary to be told by it is decided by `metric.compare` itself, whose numbers are what is given back.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from perceptbench.core.tensors import Embeddings, PerImage
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.metrics.search.looked_up import LookedUp

_FLOATS = 2**23
"""Numbers of a gallery that are in memory at once: 32 MiB in float32."""
_BAND = 128 * torch.finfo(torch.float32).eps
"""What rounding may do to the distance of two points, as a share of their lengths, with a reserve."""


@dataclass(frozen=True, eq=False)
class SearchedEmbeddings:
    """Embeddings (g, d), such as a file that is mapped into memory."""

    metric: EmbeddingMetric
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def look(self, represented: Embeddings) -> LookedUp:
        detached = represented.detach()
        points = _points_of(self.metric)
        if points is None:
            return LookedUp.exactly(_every(self, detached), lambda place: self._distance(represented, place))
        rough, band = self._rough(points, detached)
        return LookedUp(
            rough,
            band,
            lambda row, at: self._pairs(detached, row, at),
            lambda place: self._distance(represented, place),
        )

    def select(self, index: Tensor) -> "SearchedEmbeddings":
        return self

    def chunks(self, like: Tensor) -> Iterator[tuple[int, Embeddings]]:
        """Parts of the gallery with the place where each begins."""
        step = max(1, _FLOATS // self.rows.shape[1])
        for start in range(0, len(self.rows), step):
            yield start, torch.from_numpy(np.array(self.rows[start : start + step])).to(like)

    def take(self, places: Int[Tensor, " m"], like: Tensor) -> Embeddings:
        """Some embeddings (m, d), where and as precise as `like` is."""
        return torch.from_numpy(self.rows[places.cpu().numpy()]).to(like)

    def _rough(self, points: Callable[[Embeddings], Embeddings], query: Embeddings) -> tuple[Tensor, Tensor]:
        """Distances of points (n, g) in float64, and by how much each may differ from what `compare` orders by."""
        p = points(query).double()
        found, size = [], []
        for _, rows in self.chunks(query):
            y = points(rows).double()
            squared = p.square().sum(1)[:, None] + y.square().sum(1) - 2 * p @ y.T
            found.append(squared.clamp_min_(0).sqrt_())
            size.append(y.norm(dim=1))
        return torch.cat(found, dim=1), _BAND * (p.norm(dim=1)[:, None] + torch.cat(size))

    def _pairs(self, query: Embeddings, row: Tensor, at: Tensor) -> Float[Tensor, " m"]:
        step = max(1, _FLOATS // self.rows.shape[1])
        parts = zip(row.split(step), at.split(step), strict=True)
        found = [self.metric.compare(query[i], self.take(j, query)) for i, j in parts]
        return torch.cat(found) if found else query.new_zeros(0)

    def _distance(self, represented: Embeddings, place: Tensor) -> PerImage:
        return self.metric.compare(represented, self.take(place, represented))


def _every(searched: SearchedEmbeddings, query: Embeddings) -> Float[Tensor, "n g"]:
    columns = [
        torch.stack([searched.metric.compare(q.expand(len(rows), -1), rows) for q in query])
        for _, rows in searched.chunks(query)
    ]
    return torch.cat(columns, dim=1)


def _points_of(metric: EmbeddingMetric) -> Callable[[Embeddings], Embeddings] | None:
    """The points whose Euclidean distances order as the metric does; None where nobody says which."""
    kind = type(metric)
    own = next((base for base in kind.__mro__ if "compare" in vars(base)), kind)
    # A class that compares in its own way, and leaves the points of the cosine, has not said what its points are.
    says = next((base for base in kind.__mro__ if "points" in vars(base)), EmbeddingMetric)
    known = own is EmbeddingMetric or says is not EmbeddingMetric
    return metric.points if known else None
