"""Two-alternative forced-choice data (2AFC): is the left or the right image more like the reference?

A source is a list of small entries; images are read when a batch is asked for, so memory does not
grow with the number of triplets. Labels and paths are checked before anything runs.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.printable import printable
from perceptbench.core.registry import Registry
from perceptbench.core.spec import canonical_json
from perceptbench.core.tensors import Images, PerImage

SIDE = 224
"""Every image is brought to this side (bicubic), so that eps means the same for every data set; `bapps` has two."""


@dataclass(frozen=True, slots=True)
class Triplets:
    """One batch. `label` is 1 where people preferred `right`, `right_share` the share who did."""

    reference: Images
    left: Images
    right: Images
    label: PerImage
    right_share: PerImage
    ids: tuple[str, ...]

    @property
    def images(self) -> dict[str, Images]:
        """The three batches of images by the name of their part."""
        return {"reference": self.reference, "left": self.left, "right": self.right}

    @property
    def sign(self) -> PerImage:
        """1 where people preferred `right`, else -1: a metric agrees where sign * (d(left) - d(right)) > 0."""
        return 2 * self.label - 1

    def to(self, device: str) -> "Triplets":
        """The same batch on a device."""
        return self.mapped(lambda tensor: tensor.to(device))

    def redrawn(self, change: Callable[[Images], Images]) -> "Triplets":
        """The same batch with every image changed, and nothing else."""
        reference, left, right = (change(x) for x in (self.reference, self.left, self.right))
        return replace(self, reference=reference, left=left, right=right)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Triplets":
        """The same batch with every tensor changed."""
        return Triplets(
            change(self.reference),
            change(self.left),
            change(self.right),
            change(self.label),
            change(self.right_share),
            self.ids,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One triplet before its images are read.

    `load` gives reference, left and right, each (3, side, side) in [0, 1]; it raises UserError
    with file and row when an image cannot be read.
    """

    id: str
    right_share: float
    load: Callable[[], tuple[Tensor, Tensor, Tensor]]
    group: str = ""
    """A subset to report on its own: a distortion family, a split of the data set."""
    images: tuple[str, ...] = ()
    """Names of reference, left and right, where the same image serves in several triplets."""
    reference: str = ""
    """A name of the reference image, or of the photograph it is a crop of, where that may stand in several triplets:
    intervals then draw references."""
    paths: tuple[Path, ...] = ()
    """The files that its images are made of, resolved."""
    where: str = ""
    """Opens the message for a fault in one of these files: `data.csv row 17`."""
    files: str = ""
    """The digests of these files, in their order; triplets/inventory.py fills them in."""
    converted: tuple[tuple[str, str], ...] = ()
    """What had to be converted to show these files (triplets/shown.py), as pairs of file and kind. It decides nothing
    that the files do not."""

    @property
    def line(self) -> str:
        """Everything that decides it, as text."""
        return canonical_json([self.id, self.right_share, self.group, list(self.images), self.reference, self.files])


@dataclass(frozen=True, slots=True)
class TripletSource:
    """A data set: its entries without ties, how many ties were left out, and what it was made of.

    `recipe` is whatever decides the triplets beside their entries: the version of what makes images, a digest.
    """

    name: str
    entries: tuple[Entry, ...]
    ties: int
    recipe: str
    note: str = ""
    side: int = SIDE
    """Of its images, in pixels."""
    answers: bool = True
    """False for plain images: `left` is another image, `right` the same one, and no one was asked."""
    people: bool = False
    """Whether its answers are known to be those of people. They agree with constructed ones only by accident, so
    reports on people show no other data."""
    judges_only: bool = False
    """Whether metrics are judged by it and nothing may be fitted to it: training refuses it (training/hold_out.py)."""

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def sha256(self) -> str:
        """Over everything that decides these triplets: answers, files, recipe. Their order does not count, and neither
        do triplets that were left out."""
        lines = (self.recipe, str(self.answers), *sorted(entry.line for entry in self.entries))
        return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()

    @property
    def kind(self) -> str:
        """What a task reads: triplets with answers, or plain images."""
        return "triplets" if self.answers else "images"

    @property
    def ids(self) -> tuple[str, ...]:
        """Identifiers, each once."""
        return tuple(entry.id for entry in self.entries)

    def limited(self, n: int | None) -> "TripletSource":
        """The first n triplets of a fixed shuffle by id, so that a small part is a fair part."""
        return replace(self, entries=fair_part(self.entries, n))

    def batch(self, entries: Sequence[Entry]) -> Triplets:
        """Read the images of some entries."""
        loaded = [entry.load() for entry in entries]
        reference, left, right = (torch.stack([row[i] for row in loaded]) for i in range(3))
        shares = [entry.right_share for entry in entries]
        # Before float32 rounds a share just above a tie to one.
        label = torch.tensor([float(share > 0.5) for share in shares])
        return Triplets(reference, left, right, label, torch.tensor(shares), tuple(e.id for e in entries))


def conversions(entries: Iterable[object]) -> dict[str, int]:
    """How many files were converted to be shown, by kind; a file that serves in several entries counts once.

    Entries of a plug-in may say nothing of it.
    """
    found = {pair for entry in entries for pair in getattr(entry, "converted", ())}
    return dict(sorted(Counter(kind for _, kind in found).items()))


def said_of_conversions(found: Mapping[str, int]) -> str:
    """The same in words: `alpha 2, orientation 3`."""
    return ", ".join(f"{kind} {count}" for kind, count in found.items())


class _Named(Protocol):
    @property
    def id(self) -> str: ...


N = TypeVar("N", bound=_Named)


def fair_part(entries: Sequence[N], n: int | None) -> tuple[N, ...]:
    """The first n entries of a fixed shuffle by id, so that a small part is a fair part; as they are for n or fewer."""
    if n is None or n >= len(entries):
        return tuple(entries)
    return tuple(sorted(entries, key=lambda entry: hashlib.sha256(entry.id.encode()).hexdigest())[:n])


def checked_source(name: str, entries: Sequence[Entry], recipe: str, note: str = "") -> TripletSource:
    """Leave ties out and count them. Raises UserError for an empty set or an id used twice."""
    if not entries:
        raise UserError(f"{name}: expected at least one triplet, found none")
    entries = [_with_printable_names(entry) for entry in entries]
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise UserError(f"{name}: expected unique ids, got {entry.id!r} twice")
        seen.add(entry.id)
    decided = tuple(entry for entry in entries if entry.right_share != 0.5)
    if not decided:
        raise UserError(f"{name}: all {len(entries)} triplets are ties, so there is nothing to score")
    return TripletSource(name, decided, len(entries) - len(decided), recipe, printable(note))


def _with_printable_names(entry: Entry) -> Entry:
    """The same entry; ids and groups are often names of files, and records keep only what can be printed."""
    names = (entry.id, entry.group, entry.reference, *entry.images)
    if all(map(str.isprintable, names)):
        return entry
    one, group, reference, *images = map(printable, names)
    return replace(entry, id=one, group=group, reference=reference, images=tuple(images))


triplets: Registry[TripletSource] = Registry("data set", "perceptbench.triplets")
