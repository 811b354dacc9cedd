"""The embedded data set: triplets built from thirteen free photographs, for demonstration and CI."""

import csv
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from perceptbench.triplets.base import TripletSource, checked_source, triplets
from perceptbench.triplets.constructed.construct import RECIPE, construct
from perceptbench.triplets.constructed.distortions import Pixels
from perceptbench.triplets.images import read_bytes
from perceptbench.triplets.inventory import digests
from perceptbench.triplets.original import decode

FOLDER = Path(__file__).parent / "photos_data"
PER_FAMILY = 18


@triplets(
    "photos", source="built from photographs listed in triplets/photos_data", licence="CC0, CC-BY-4.0, public domain"
)
def photos() -> TripletSource:
    """Embedded triplets, constructed and not judged by people: for demonstration and CI.

    Each holds a crop of a photograph and two altered versions, of which one is nearer by
    construction (`construct.py`); the group is the family of alterations. Its SHA-256 is over the triplets, the
    version of the recipe and every photograph.
    """
    listing = read_bytes(FOLDER / "images.csv", "images.csv")
    names = [row["file"] for row in csv.DictReader(listing.decode().splitlines())]
    photographs = (((FOLDER / name).resolve(), f"images.csv, {name}") for name in names)
    files = digests(photographs, original=True)
    entries = construct(LazyPhotos(names), [Path(name).stem for name in names], PER_FAMILY)
    recipe = " ".join([RECIPE, *files.values()])
    return checked_source("photos", entries, recipe, "constructed, not human judgements: for demonstration and CI")


class LazyPhotos(Sequence[Pixels]):
    """The photographs, each decoded when first asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Pixels:  # type: ignore[override]
        return _photo(self.names[index])


@lru_cache(maxsize=32)
def _photo(name: str) -> Pixels:
    return np.asarray(decode(read_bytes(FOLDER / name, name), FOLDER / name, name))
