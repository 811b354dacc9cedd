"""Watches the passes of each sample through the metric: counts them, and refuses what is not finite.

What is counted of gradients and losses tells later whether an attack could see anything (bench/flags). No attack and
no objective knows of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor

from perceptbench.attacks.around import Around
from perceptbench.attacks.base import finite
from perceptbench.attacks.norms import length
from perceptbench.attacks.over_draws import OverDraws
from perceptbench.attacks.running.first_success import FirstSuccess
from perceptbench.core.tensors import Mask, PerImage


@dataclass
class Tally:
    """Counts for each sample (n,).

    Args:
        forwards, backwards: passes, the cost that is reported beside a score.
        flat: gradients that were zero everywhere.
        searches: searches along gradients that did not begin at the goal.
        rises: those of them in which the loss rose above that of their first image.
    """

    forwards: PerImage
    backwards: PerImage
    flat: PerImage
    searches: PerImage
    rises: PerImage

    @classmethod
    def zeros(cls, n: int) -> "Tally":
        """Before the first pass."""
        return cls(*(torch.zeros(n) for _ in fields(cls)))

    @classmethod
    def sum(cls, several: "Sequence[Tally]") -> "Tally":
        """The counts of several budgets together."""
        return cls(*(torch.stack([getattr(one, f.name) for one in several]).sum(0) for f in fields(cls)))


@dataclass
class Ascent:
    """Whether the loss of each sample (n,) rises above that of its first image, in one search."""

    first: PerImage
    highest: PerImage
    reached: Mask
    """Whether the first image was at the goal already."""

    @classmethod
    def of(cls, n: int) -> "Ascent":
        """Before the first image."""
        return cls(torch.full((n,), torch.nan), torch.full((n,), -torch.inf), torch.zeros(n, dtype=torch.bool))

    def note(self, index: Tensor, loss: PerImage, reached: Mask) -> None:
        """The losses of the images that a search looks at."""
        loss = loss.detach().to(self.first)
        new = self.first[index].isnan()
        self.first[index[new]] = loss[new]
        self.reached[index[new]] = reached.to(self.reached.device)[new]
        self.highest[index] = torch.maximum(self.highest[index], loss)

    def count(self, tally: Tally) -> None:
        """Add the search to the counts."""
        searched = ~self.first.isnan() & ~self.reached
        tally.searches += searched
        tally.rises += searched & (self.highest > self.first)


@dataclass(frozen=True)
class Counted(Around):
    """An objective that counts the passes of each sample.

    Args:
        ascent: notes whether the losses rise; None where nobody asks.
        first: notes when the goal is first reached; None where nobody asks.
    """

    tally: Tally
    index: Tensor
    ascent: Ascent | None = None
    first: FirstSuccess | None = None

    def loss(self, x: Tensor) -> PerImage:
        loss = finite(self.inner.loss(x), "distance")
        passes = self.inner.passes(gradient=loss.requires_grad) if isinstance(self.inner, OverDraws) else 1
        self.tally.forwards[self.index] += passes
        if loss.requires_grad:
            # Here and not in `gradient`, so that passes through an objective that wraps this one are also counted.
            loss.register_hook(partial(self._backwards, passes))
            if x.requires_grad:
                x.register_hook(self._gradient)
        if self.ascent is not None:
            self.ascent.note(self.index, loss, self.inner.reached(loss.detach()))
        if self.first is not None:
            self.first.note(self.index, x, self.inner.reached(loss.detach()), self.tally.forwards[self.index])
        return loss

    def _backwards(self, passes: int, _: Tensor) -> None:
        self.tally.backwards[self.index] += passes

    def _gradient(self, gradient: Tensor) -> None:
        self.tally.flat[self.index] += (length(gradient, "linf") == 0).to(self.tally.flat)

    def select(self, index: Tensor) -> "Counted":
        return Counted(self.inner.select(index), self.tally, self.index[index.cpu()], self.ascent, self.first)
