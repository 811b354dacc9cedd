"""Galleries and queries in memory, of small images."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from perceptbench.triplets.gallery import GalleryImages, Query, QuerySource


@dataclass(frozen=True, eq=False)
class HeldGallery(GalleryImages):
    """Images (g, 3, h, w) that are at hand."""

    held: Tensor = field(default_factory=lambda: torch.empty(0))

    def read(self, rows: Iterable[int]) -> Tensor:
        return self.held[list(rows)]


@dataclass(frozen=True)
class HeldQuery(Query):
    """A query (3, h, w) that is at hand."""

    held: Tensor = field(default_factory=lambda: torch.empty(0))

    def load(self) -> Tensor:
        return self.held


def searched(
    gallery: Tensor, queries: Tensor, own: list[int] | None = None, labels: list[str] | None = None,
    of_queries: list[str] | None = None,
) -> QuerySource:  # fmt: skip
    """Queries (n, 3, h, w) in a gallery (g, 3, h, w); `labels` of the gallery, `of_queries` those of the queries."""
    digests = tuple(hashlib.sha256(x.numpy().tobytes()).hexdigest() for x in gallery)
    names = tuple(f"g{i}" for i in range(len(gallery)))
    images = HeldGallery(names, (Path(),) * len(names), digests, None if labels is None else tuple(labels), gallery)
    entries = []
    for i, x in enumerate(queries):
        at = -1 if own is None else own[i]
        right = () if of_queries is None else tuple(
            j for j, label in enumerate(labels or []) if label == of_queries[i] and j != at
        )  # fmt: skip
        digest = hashlib.sha256(x.numpy().tobytes()).hexdigest()
        entries.append(HeldQuery(f"q{i}", Path(), digest, at, right, held=x))
    return QuerySource(tuple(entries), images, note="made up")


def near_grey(n: int, side: int = 8, spread: float = 0.2, seed: int = 0) -> Tensor:
    """Noise around mid-grey (n, 3, side, side), far from black and white, so that clipping forbids nothing."""
    draw = torch.Generator().manual_seed(seed)
    return 0.5 + spread * (torch.rand(n, 3, side, side, generator=draw) - 0.5)
