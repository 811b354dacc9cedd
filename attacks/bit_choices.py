"""Which bits of a perceptual hash to flip: for every number of flips the cheapest change of the values behind them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perceptbench.metrics.hashes.linear_hash import LinearHash


@dataclass(frozen=True)
class Choices:
    """For every number of flips the cheapest change of the values of one image.

    Args:
        values: c (k,).
        beyond: how far each value is taken over the threshold (k,).
        at: the thresholds m' that were tried (j, 1).
        down, up: what it costs each value to come to just below m', and to just above it (j, k); infinite where its
            bit is not in favour.
        best: for 1, 2, 3, ... flips the threshold, and how many of the cheapest come down and up.
    """

    values: Tensor
    beyond: Tensor
    at: Tensor
    down: Tensor
    up: Tensor
    best: list[tuple[int, int, int]]

    @classmethod
    def of(cls, linear: LinearHash, values: Tensor, towards: Tensor, beyond: Tensor) -> "Choices":
        """At each m', g values come down and v up, in the order of their costs; those that m' has passed over flip by
        themselves. Where the threshold is the middle of the values, v follows from g: m' is the middle afterwards too.

        Args:
            towards: its sign says whether a larger value is in favour (k,).
        """
        now = linear.threshold(values[None])
        fixed = linear.above + linear.below > len(values)
        at = (now if fixed else _between(values))[:, None]
        over, wanted = values > at, towards > 0
        cost = ((values - at).abs() / beyond + 1).square()
        down, up = (torch.where(moves, cost, torch.inf) for moves in (over & ~wanted, ~over & wanted))
        g, v = _counts(over, down, up, linear.above, fixed)
        total = _sums(down).gather(1, g) + _sums(up).gather(1, v)
        gained = ((over != (values > now)) * torch.where(over == wanted, 1, -1)).sum(1, keepdim=True) + g + v
        found = [(int(j), int(g[j, i]), int(v[j, i])) for j, i in _cheapest(total, gained)]
        return cls(values, beyond, at, down, up, found)

    def change(self, flips: int) -> Tensor:
        """Delta (k,) for so many flips, or for as many as there can be."""
        change = torch.zeros_like(self.values)
        if not self.best:
            return change
        j, g, v = self.best[min(flips, len(self.best)) - 1]
        lower, upper = self.down[j].argsort()[:g], self.up[j].argsort()[:v]
        change[lower] = (self.at[j] - self.beyond - self.values)[lower]
        change[upper] = (self.at[j] + self.beyond - self.values)[upper]
        return change


def _cheapest(total: Tensor, gained: Tensor) -> list[tuple[int, int]]:
    """The place (j, i) of the least total that gains at least 1, 2, 3, ...; as far as any is finite."""
    costs, gains = total.flatten().cpu().numpy(), gained.flatten().cpu().numpy()
    order = np.argsort(costs, kind="stable")
    order = order[np.isfinite(costs[order]) & (gains[order] > 0)]
    levels, first = np.unique(gains[order], return_index=True)
    places: list[tuple[int, int]] = []
    for level in range(1, int(levels.max(initial=0)) + 1):
        earliest = order[first[levels >= level].min()]
        places.append(divmod(int(earliest), total.shape[1]))
    return places


def _between(values: Tensor) -> Tensor:
    """Thresholds halfway between two neighbouring values, near their middle."""
    ordered, half = values.sort().values, len(values) // 2
    near = ordered[half - half // 2 : half + half // 2]
    return (near[1:] + near[:-1]) / 2


def _counts(over: Tensor, down: Tensor, up: Tensor, above: int, fixed: bool) -> tuple[Tensor, Tensor]:
    """How many values come down and up (j, i): all pairs that keep `above` of them over the threshold.

    With a fixed threshold: those among the i cheapest of both kinds.
    """
    if fixed:
        cheapest = torch.minimum(down, up).argsort(1)
        g, v = (kind.isfinite().gather(1, cheapest).cumsum(1) for kind in (down, up))
        return g, v
    g = torch.arange(over.shape[1] + 1, device=over.device).expand(len(over), -1)
    v = above - over.sum(1, keepdim=True) + g
    inside = (v >= 0) & (v <= over.shape[1])
    # A pair that cannot be is put where its cost is infinite.
    nowhere = torch.full_like(g, over.shape[1])
    return torch.where(inside, g, nowhere), torch.where(inside, v, nowhere)


def _sums(costs: Tensor) -> Tensor:
    """Sums of the 0, 1, 2, ... smallest of each row (j, k + 1)."""
    return torch.nn.functional.pad(costs.sort(1).values.cumsum(1), (1, 0))
