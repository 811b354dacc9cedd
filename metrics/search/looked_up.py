"""The answers of a search, from rough distances where these tell and from exact ones where they do not."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from perceptbench.core.tensors import PerImage


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
