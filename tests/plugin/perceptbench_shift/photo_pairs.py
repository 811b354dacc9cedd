"""Pairs of like images: the reference of each embedded triplet, and the image that is nearer to it by construction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from perceptbench.core.tensors import Images
from perceptbench.triplets.base import Entry, fair_part, triplets
from perceptbench.triplets.photos import photos


@dataclass(frozen=True)
class Pairs:
    """One batch of pairs."""

    reference: Images
    other: Images
    ids: tuple[str, ...]

    def to(self, device: str) -> "Pairs":
        return self.redrawn(lambda x: x.to(device))

    def redrawn(self, change: Callable[[Images], Images]) -> "Pairs":
        return replace(self, reference=change(self.reference), other=change(self.other))


@dataclass(frozen=True)
class PairSource:
    """A data set of pairs. Of each entry, a triplet, the preferred image is the other one of the pair."""

    entries: Sequence[Entry]
    sha256: str
    name: str = "photo-pairs"
    kind: str = "pairs"
    note: str = "constructed, not human judgements: for demonstration"
    ties: int = 0

    def __len__(self) -> int:
        return len(self.entries)

    def limited(self, n: int | None) -> "PairSource":
        return replace(self, entries=fair_part(self.entries, n))

    def batch(self, entries: Sequence[Entry]) -> Pairs:
        loaded = [entry.load() for entry in entries]
        other = [row[2 if entry.right_share > 0.5 else 1] for row, entry in zip(loaded, entries, strict=True)]
        return Pairs(torch.stack([row[0] for row in loaded]), torch.stack(other), tuple(entry.id for entry in entries))


@triplets("photo-pairs", source="the triplets of photos", licence="as photos")
def photo_pairs() -> PairSource:
    """Pairs of like images, of the embedded photographs: for demonstration."""
    source = photos()
    return PairSource(source.entries, f"photo-pairs {source.sha256}")
