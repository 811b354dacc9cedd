"""Triplets with a known answer, kept as bytes and drawn at random for fine-tuning."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rich.progress import track
from torch import Tensor

from metrics.resize import resize
from triplets.base import Entry, Triplets, TripletSource


@dataclass(frozen=True, slots=True)
class TripletPool:
    """A data set in memory: images as bytes (3, n, 3, h, w) and sign +1 where `right` is preferred."""

    images: Tensor
    sign: Tensor

    @classmethod
    def of(cls, source: TripletSource, limit: int, size: int) -> "TripletPool":
        """Read at most `limit` triplets (a fixed shuffle) at the size of the network."""
        entries: Sequence[Entry] = source.limited(limit).entries
        rows, signs = [], []
        for entry in track(entries, description=f"triplets of {source.name}"):
            batch: Triplets = source.batch([entry])
            trio, _ = resize(torch.cat([batch.reference, batch.left, batch.right]), size)
            rows.append((trio * 255).round().byte())
            signs.append(2 * batch.label[0] - 1)
        return cls(torch.stack(rows, 1), torch.stack(signs))

    def __len__(self) -> int:
        return len(self.sign)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (3, n, 3, h, w) in [0, 1] and signs (n,); all three of a triplet mirrored at random."""
        index = torch.randint(len(self), (n,), generator=generator)
        flipped = torch.rand(n, generator=generator) < 0.5
        images = self.images[:, index].float() / 255
        return torch.where(flipped[None, :, None, None, None], images.flip(-1), images), self.sign[index]
