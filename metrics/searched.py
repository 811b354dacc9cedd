"""Exact search of a gallery in bounded memory: the nearest images of a query, and how many are nearer than one.

    look = Searched(...).look(represented)          # queries (n), represented by the metric
    look.nearest(allowed, k)                        # places and distances (n, k)
    look.ahead(allowed, place)                      # how many are at most as far as that image

Where a metric's order is that of Euclidean distances of points, one matrix product finds who may count. Whoever is too
near to a boundary to be told by it is decided by `metric.compare` itself, whose numbers are what is given back.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.metrics.base import EmbeddingMetric, Metric, Representation

_FLOATS = 2**23
"""Numbers of a gallery that are in memory at once: 32 MiB in float32."""
_BAND = 128 * torch.finfo(torch.float32).eps
"""What rounding may do to the distance of two points, as a share of their lengths, with a reserve."""
_BLOCK = 8
"""Images of a gallery that pass at once through a metric without an embedding."""


@runtime_checkable
class Look(Protocol):
    """Some queries beside a gallery of g images."""

    def nearest(self, allowed: Bool[Tensor, "n g"], k: int) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
        """Places and distances of the k nearest allowed images, by distance and then place.

        Every query must have k allowed images.
        """
        ...

    def ahead(self, allowed: Bool[Tensor, "n g"], place: Int[Tensor, " n"], *, ties: bool = True) -> Int[Tensor, " n"]:
        """How many allowed images are nearer than the one at `place`; with ties, those as far as it too."""
        ...

    def every(self) -> Float[Tensor, "n g"]:
        """All distances."""
        ...

    def within(self, allowed: Bool[Tensor, "n g"], tau: float) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, places and distances (m,) of all allowed pairs at most tau apart."""
        ...

    def distance(self, place: Int[Tensor, " n"]) -> PerImage:
        """Distance of each query from one image; differentiable in the query."""
        ...


@runtime_checkable
class Searched(Protocol):
    """A metric and the images that are searched."""

    def __len__(self) -> int: ...

    def look(self, represented: Representation) -> Look:
        """Compare queries, as `metric.represent` gives them, with the gallery."""
        ...

    def select(self, index: Tensor) -> "Searched":
        """What some of the queries are compared with."""
        ...


@dataclass(frozen=True, eq=False)
class SearchedEmbeddings:
    """Embeddings (g, d), such as a file that is mapped into memory."""

    metric: EmbeddingMetric
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def look(self, represented: Embeddings) -> "LookedUp":
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


@dataclass(frozen=True, eq=False)
class SearchedImages:
    """Images, for a metric without an embedding: every look passes all of them through the metric.

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
        queries = [_row(represented, i) for i in range(_length(represented))]
        columns = []
        for start in range(0, self.count, _BLOCK):
            some = range(start, min(start + _BLOCK, self.count))
            shown = self.metric.represent(self.read(some).to(_first(represented).device))
            # One query at a time beside a block of the gallery.
            columns.append(torch.stack([self.metric.compare(_repeated(q, len(some)), shown) for q in queries]))
        return torch.cat(columns, dim=1)

    def look(self, represented: Representation) -> "LookedUp":
        return LookedUp.exactly(self._table(represented), lambda place: self._distance(represented, place))

    def select(self, index: Tensor) -> "SearchedImages":
        return self

    def _distance(self, represented: Representation, place: Tensor) -> PerImage:
        with torch.no_grad():
            shown = self.metric.represent(self.read(place.tolist()).to(_first(represented).device))
        return self.metric.compare(represented, shown)


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

    def look(self, represented: Representation) -> "LookedUp":
        with torch.no_grad():
            queries = [_repeated(_row(represented, i), self.count) for i in range(len(self.lists))]
            table = torch.stack([self.metric.compare(q, list_) for q, list_ in zip(queries, self.lists, strict=True)])
        return LookedUp.exactly(table, lambda place: self._distance(represented, place))

    def select(self, index: Tensor) -> "ShortLists":
        return ShortLists(self.metric, tuple(self.lists[i] for i in index.tolist()), self.count)

    def _distance(self, represented: Representation, place: Tensor) -> PerImage:
        rows = [_row(list_, i) for list_, i in zip(self.lists, place.tolist(), strict=True)]
        return self.metric.compare(represented, _joined(rows))


def _joined(rows: Sequence[Representation]) -> Representation:
    if isinstance(rows[0], tuple):
        return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))
    return torch.cat(list(rows))


def _first(represented: Representation) -> Tensor:
    first: Tensor = represented[0] if isinstance(represented, tuple) else represented
    return first


def _length(represented: Representation) -> int:
    return len(_first(represented))


def _row(represented: Representation, i: int) -> Representation:
    if isinstance(represented, tuple):
        return tuple(part[i : i + 1].detach() for part in represented)
    return represented[i : i + 1].detach()


def _repeated(one: Representation, n: int) -> Representation:
    if isinstance(one, tuple):
        return tuple(part.expand(n, *part.shape[1:]) for part in one)
    return one.expand(n, *one.shape[1:])


@dataclass(frozen=True, eq=False)
class LookedUp:
    """A look by rough values, each right up to its band, and by the distances of some pairs where these do not tell.

    Args:
        rough, band: (n, g), what orders as distances do, and how far it may be off.
        pairs: distances (m,) of queries `row` (m,) from images `at` (m,).
        one: distance of each query from one image, differentiable.
    """

    rough: Float[Tensor, "n g"]
    band: Float[Tensor, "n g"]
    pairs: Callable[[Tensor, Tensor], Tensor]
    one: Callable[[Tensor], PerImage]

    @classmethod
    def exactly(cls, distances: Float[Tensor, "n g"], one: Callable[[Tensor], PerImage]) -> "LookedUp":
        """Of distances that are known already."""
        return cls(distances, torch.zeros_like(distances), lambda row, at: distances[row, at], one)

    def nearest(self, allowed: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """As `Look` says."""
        high = (self.rough + self.band).masked_fill(~allowed, torch.inf)
        cut = high.kthvalue(k, dim=1, keepdim=True).values
        # Whoever may be among the k nearest: its least value is no more than the k-th largest value may be.
        row, at = (allowed & (self.rough - self.band <= cut)).nonzero(as_tuple=True)
        exact = self.pairs(row, at)
        table = exact.new_full(self.rough.shape, torch.inf)
        table[row, at] = exact
        distances, places = table.sort(dim=1, stable=True)
        return places[:, :k], distances[:, :k]

    def ahead(self, allowed: Tensor, place: Tensor, *, ties: bool = True) -> Tensor:
        """As `Look` says."""
        own, off = (values.gather(1, place[:, None]) for values in (self.rough, self.band))
        surely = allowed & (self.rough + self.band < own - off)
        open_ = allowed & ~surely & (self.rough - self.band <= own + off)
        row, at = open_.nonzero(as_tuple=True)
        mine = self.pairs(torch.arange(len(place), device=place.device), place)
        exact = self.pairs(row, at)
        nearer = exact <= mine[row] if ties else exact < mine[row]
        return surely.sum(1) + torch.zeros_like(place).index_add_(0, row, nearer.to(place))

    def every(self) -> Tensor:
        """As `Look` says."""
        n, g = self.rough.shape
        row, at = torch.arange(n), torch.arange(g)
        every = self.pairs(row.repeat_interleave(g).to(self.rough.device), at.repeat(n).to(self.rough.device))
        return every.view(n, g)

    def within(self, allowed: Tensor, tau: float) -> tuple[Tensor, Tensor, Tensor]:
        """As `Look` says: where distances pass tau along the rough order is found by halving."""
        row, at = allowed.nonzero(as_tuple=True)
        order = self.rough[row, at].argsort()
        row, at = row[order], at[order]
        low, high = 0, len(order)
        while low < high:
            middle = (low + high) // 2
            inside = bool(self.pairs(row[middle : middle + 1], at[middle : middle + 1])[0] <= tau)
            low, high = (middle + 1, high) if inside else (low, middle)
        if low < len(order):
            # A pair may be out of order by both bands.
            end = self.rough[row[low], at[low]] + self.band[row[low], at[low]]
            maybe = self.rough[row, at] - self.band[row, at] <= end
            row, at = row[maybe], at[maybe]
        distances = self.pairs(row, at)
        inside_tau = distances <= tau
        return row[inside_tau], at[inside_tau], distances[inside_tau]

    def distance(self, place: Tensor) -> PerImage:
        """As `Look` says."""
        return self.one(place)
