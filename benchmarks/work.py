"""The triplets that are attacked: fixed, answered rightly, and told apart by their references."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.literal_model import Literal
from benchmarks.row_finder import RowFinder, pooled
from benchmarks.subjects import Subject
from benchmarks.upstream_autoattack import Cached
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.triplets.base import Entry, Triplets, triplets

APART = 30.0
"""Pooled l2 distance of any two references: what moves less than half of it is recognised (rows.py)."""


@dataclass(frozen=True)
class Work:
    """A batch and its objective, as ours and as upstream's models see it. `label` 1 is `right`."""

    subject: Subject
    batch: Triplets
    objective: FlipPreference

    @property
    def label(self) -> Tensor:
        """As upstream wants it."""
        return self.batch.label.long()

    @property
    def noise(self) -> Noise:
        """Of these triplets."""
        return Noise.make(0, self.batch.ids)

    def literal(self) -> Literal:
        """(a): everything anew at every step."""
        rows = RowFinder(self.batch.reference)
        return Literal(self.subject.literal(), self.batch.left, self.batch.right, rows)

    def cached(self) -> Cached:
        """(b): our objective for upstream."""
        return Cached(self.objective, RowFinder(self.batch.reference))

    def check(self) -> None:
        """Raises ValueError where the literal protocol has other numbers than we: then there is nothing to compare."""
        one = self.first(1)
        with torch.no_grad():
            literal, cached = (model(one.batch.reference).diff(dim=1) for model in (one.literal(), one.cached()))
        if not torch.allclose(literal, cached, atol=1e-5, rtol=0):
            raise ValueError(f"{self.subject.name}: the literal protocol says {literal}, ours {cached}")

    def first(self, n: int) -> "Work":
        """A smaller batch of the same."""
        return self.some(torch.arange(n))

    def some(self, index: Tensor) -> "Work":
        """Some of its triplets."""
        ids = tuple(self.batch.ids[i] for i in index.tolist())
        part = self.batch.mapped(lambda tensor: tensor[index.to(tensor.device)])
        batch = Triplets(part.reference, part.left, part.right, part.label, part.right_share, ids)
        return Work(self.subject, batch, self.objective.select(index.to(batch.label.device)))


def make(subject: Subject, n: int, device: str, nearest: int | None = None) -> Work:
    """`n` of the embedded photographs' triplets, chosen in the order of a fixed shuffle.

    Labels are the data's where the metric is trained, and wrong answers are passed over; an
    untrained metric has none but what it prefers.

    Args:
        nearest: of this many such triplets, take the n nearest to the boundary, the nearest first, as
            a straight line along the gradient would reach it.
    """
    with torch.no_grad():
        batch = _distinct(nearest or n, subject, device)
        anchors = subject.metric.prepare(batch.left, batch.right)
        to_left, to_right = anchors.distances(batch.reference)
    if not subject.trained:
        batch = Triplets(
            batch.reference, batch.left, batch.right, (to_left > to_right).float(), batch.right_share, batch.ids
        )
    work = Work(subject, batch, FlipPreference(anchors, 2 * batch.label - 1))
    return work.some(_straight_way(work).argsort()[:n]) if nearest else work


def _straight_way(work: Work) -> Tensor:
    """Loss over the norm of its gradient: how far the boundary is, to first order."""
    x = work.batch.reference
    passes = [work.objective.select(rows).gradient(x[rows]) for rows in torch.arange(len(x), device=x.device).split(8)]
    return torch.cat([-loss / gradient.flatten(1).norm(dim=1) for loss, gradient in passes])


def _distinct(n: int, subject: Subject, device: str) -> Triplets:
    source = triplets.build(Ref.parse("photos"))
    kept: list[Entry] = []
    seen: list[Tensor] = []
    # One fewer than all: a limit is what shuffles.
    for entry in source.limited(len(source) - 1).entries:
        if len(kept) == n:
            break
        one = source.batch([entry]).to(device)
        place = pooled(one.reference)
        apart = not seen or float(torch.cdist(place, torch.cat(seen)).min()) > APART
        if apart and (not subject.trained or _right(subject, one)):
            kept.append(entry)
            seen.append(place)
    if len(kept) < n:
        raise ValueError(f"expected {n} triplets that fit, the embedded photographs have {len(kept)}")
    return source.batch(kept).to(device)


def _right(subject: Subject, one: Triplets) -> bool:
    to_left, to_right = subject.metric.prepare(one.left, one.right).distances(one.reference)
    return bool((2 * one.label - 1) * (to_left - to_right) > 0)
