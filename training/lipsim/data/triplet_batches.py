"""Triplets with a known answer, brought to the network's size once, kept on disk and drawn at random."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from filelock import FileLock
from rich.console import Console
from rich.progress import track
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically
from perceptbench.core.stored import Stored, cache_folder
from perceptbench.metrics.lipsim.resize import resize
from perceptbench.training.hold_out import images_of
from perceptbench.training.lipsim.data.batch import Share, TrainingBatch
from perceptbench.training.lipsim.data.order_batches import ALONE, Key, own_rows
from perceptbench.training.lipsim.data.photographs import Photographs
from perceptbench.training.lipsim.data.views import to_floats
from perceptbench.triplets.base import Entry, TripletSource, checked_source
from perceptbench.triplets.constructed.construct import RECIPE, construct


@dataclass(frozen=True, slots=True, eq=False)
class StoredTriplets:
    """The images of a data set, each kept once, and its triplets.

    Args:
        images: bytes (u, 3, size, size).
        index: the images of each triplet, (n, 3): reference, left, right.
        sign: +1 where `right` is preferred, else -1, (n,).
    """

    images: Stored
    index: np.ndarray
    sign: Tensor

    @classmethod
    def of(cls, source: TripletSource, size: int, limit: int | None = None) -> "StoredTriplets":
        """At most `limit` triplets (a fixed shuffle) of a data set, which has left its ties out.

        The images come from the cache or are read; they take 3 size^2 bytes each, on disk.
        Raises UserError for an image that cannot be read, and for a data set without answers.
        """
        if not source.answers:
            raise UserError(f"{source.name} has images without answers; give triplets to learn from")
        entries = source.limited(limit).entries
        names = list(dict.fromkeys(name for entry in entries for name in _names(entry)))
        place = {name: i for i, name in enumerate(names)}
        digest = hashlib.sha256(repr((source.name, source.sha256, size, names)).encode()).hexdigest()[:24]
        images = Stored(cache_folder() / "triplets" / f"{digest}.npy")
        images.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(images.path.with_suffix(".lock")):
            if not images.path.is_file():
                _read(source.name, entries, place, size, images)
        index = np.array([[place[name] for name in _names(entry)] for entry in entries])
        sign = torch.tensor([1.0 if entry.right_share > 0.5 else -1.0 for entry in entries])
        return cls(images, index, sign)

    def __len__(self) -> int:
        return len(self.sign)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TripletBatches:
    """Batches of `size` // 3 triplets, drawn with replacement; all three images of a triplet mirrored or none.

    Raises UserError where they cannot be shared equally.
    """

    triplets: StoredTriplets
    size: int
    key: Key
    share: Share = ALONE

    def __post_init__(self) -> None:
        own_rows(self.size // 3, self.share)

    def __getitem__(self, step: int) -> TrainingBatch:
        count, generator = self.size // 3, self.key.generator("triplets", step)
        drawn = torch.randint(len(self.triplets), (count,), generator=generator)
        mirrored = torch.rand(count, generator=generator) < 0.5
        rows = own_rows(count, self.share)
        drawn, mirrored = drawn[rows.start : rows.stop], mirrored[rows.start : rows.stop].repeat(3)
        # References, then lefts, then rights.
        images = torch.from_numpy(self.triplets.images.array[self.triplets.index[drawn.numpy()].T.ravel()])
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        return TrainingBatch("triplets", to_floats(images), self.triplets.sign[drawn])


def constructed(photographs: Photographs, per_family: int, seed: int) -> TripletSource:
    """Triplets made from photographs themselves, `per_family` of each family: their order is known by construction."""
    entries = construct(photographs, photographs.names, per_family, seed)
    recipe = f"{RECIPE} {per_family} {seed} {photographs.sha256}"
    return checked_source("constructed", entries, hashlib.sha256(recipe.encode()).hexdigest())


def _names(entry: Entry) -> tuple[str, ...]:
    names = tuple(images_of(entry))
    return names if len(names) == 3 else tuple(f"{entry.id} {role}" for role in ("reference", "left", "right"))


def _read(name: str, entries: tuple[Entry, ...], place: dict[str, int], size: int, to: Stored) -> None:
    def write(part) -> None:  # type: ignore[no-untyped-def]
        out = np.lib.format.open_memmap(part, "w+", dtype=np.uint8, shape=(len(place), 3, size, size))
        read: set[str] = set()
        for entry in track(entries, f"triplets of {name}", console=Console(stderr=True)):
            if read.issuperset(_names(entry)):
                continue
            trio, _ = resize(torch.stack(entry.load()), size)
            for image, pixels in zip(_names(entry), (trio * 255).round().byte(), strict=True):
                out[place[image]] = pixels.numpy()
            read.update(_names(entry))
        out.flush()

    write_atomically(to.path, write)
