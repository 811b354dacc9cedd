"""Pairs of images: are they the same picture, edited, or two different ones?

A source is a list of small entries; images are read when a batch is asked for. In each pair the `reference` is the
query, such as an upload, which an attacker controls; `other` is the image it is compared with, such as one of a data
base.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.printable import printable
from perceptbench.core.spec import canonical_json
from perceptbench.core.tensors import Images, Mask
from perceptbench.triplets.base import SIDE, fair_part


@dataclass(frozen=True, slots=True)
class Pairs:
    """One batch. `same` (n,) says which pairs show one picture."""

    reference: Images
    other: Images
    same: Mask
    ids: tuple[str, ...]

    @property
    def images(self) -> dict[str, Images]:
        """The two batches of images by the name of their part."""
        return {"reference": self.reference, "other": self.other}

    def to(self, device: str) -> "Pairs":
        """The same batch on a device."""
        return replace(self.redrawn(lambda x: x.to(device)), same=self.same.to(device))

    def redrawn(self, change: Callable[[Images], Images]) -> "Pairs":
        """The same batch with every image changed, and nothing else."""
        return replace(self, reference=change(self.reference), other=change(self.other))


@dataclass(frozen=True, slots=True)
class PairEntry:
    """One pair before its images are read.

    `load` gives reference and other, each (3, side, side) in [0, 1]; it raises UserError with file and row when an
    image cannot be read.
    """

    id: str
    same: bool
    load: Callable[[], tuple[Tensor, Tensor]]
    reference: str
    """A name of the photograph that the query shows: intervals draw photographs, and halves are split by them."""
    other: str
    """The same of the image it is compared with."""
    group: str = ""
    """A subset to report on its own: the edit and its strength."""
    files: str = ""
    """The digests of its files."""
    converted: tuple[tuple[str, str], ...] = ()
    """What had to be converted to show these files (triplets/shown.py), as pairs of file and kind."""

    @property
    def line(self) -> str:
        """Everything that decides it, as text."""
        return canonical_json([self.id, self.same, self.group, self.reference, self.other, self.files])


@dataclass(frozen=True, slots=True)
class PairSource:
    """A data set of pairs. `recipe` is whatever decides them beside their entries."""

    name: str
    entries: tuple[PairEntry, ...]
    recipe: str
    note: str = ""
    side: int = SIDE
    kind: str = "pairs"
    ties: int = 0

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def sha256(self) -> str:
        """Over everything that decides these pairs; their order does not count."""
        lines = (self.recipe, *sorted(entry.line for entry in self.entries))
        return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()

    @property
    def ids(self) -> tuple[str, ...]:
        """Identifiers, each once."""
        return tuple(entry.id for entry in self.entries)

    def limited(self, n: int | None) -> "PairSource":
        """The first n pairs of a fixed shuffle by id, so that a small part is a fair part."""
        return replace(self, entries=fair_part(self.entries, n))

    def batch(self, entries: Sequence[PairEntry]) -> Pairs:
        """Read the images of some entries."""
        loaded = [entry.load() for entry in entries]
        reference, other = (torch.stack([row[i] for row in loaded]) for i in range(2))
        return Pairs(reference, other, torch.tensor([e.same for e in entries]), tuple(e.id for e in entries))


def pair_source(name: str, entries: Sequence[PairEntry], recipe: str, note: str = "") -> PairSource:
    """A data set whose names can be printed. Its note begins with how many pairs are of which kind.

    Raises UserError for an id used twice, and where pairs that are the same, or different ones, are missing.
    """
    named = [
        replace(
            entry,
            id=printable(entry.id),
            group=printable(entry.group),
            reference=printable(entry.reference),
            other=printable(entry.other),
        )
        for entry in entries
    ]
    seen: set[str] = set()
    for entry in named:
        if entry.id in seen:
            raise UserError(f"{name}: expected unique ids, got {entry.id!r} twice; rename one")
        seen.add(entry.id)
    same = sum(entry.same for entry in named)
    if not 0 < same < len(named):
        raise UserError(
            f"{name}: expected pairs that are the same and pairs that are different, got {same} and {len(named) - same}"
        )
    counted = f"{same} same and {len(named) - same} different pairs ({(len(named) - same) / same:.3g} to 1)"
    return PairSource(name, tuple(named), recipe, f"{counted}{'; ' if note else ''}{printable(note)}")


def calibrates(photograph: str) -> bool:
    """Whether a photograph is in the half that thresholds are found on. It depends on its name alone."""
    return hashlib.sha256(f"half 10 {photograph}".encode(errors="surrogatepass")).digest()[0] % 2 == 1
