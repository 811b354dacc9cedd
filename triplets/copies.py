"""Photographs against benign edits of themselves, and, edited alike, against other photographs."""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.triplets.base import triplets
from perceptbench.triplets.constructed.distortions import Pixels
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.edits.base import Chosen, chosen, edited
from perceptbench.triplets.image_folder import images_inside
from perceptbench.triplets.images import at_side, decode, read_bytes, to_tensor
from perceptbench.triplets.inventory import inspected
from perceptbench.triplets.original import decode as decode_original
from perceptbench.triplets.pairs import PairEntry, PairSource, calibrates, pair_source
from perceptbench.triplets.photos import FOLDER

RECIPE = "copies-1"
_MOST = 200_000
"""Pairs of one data set."""


@dataclass(frozen=True, slots=True)
class _Photograph:
    """One photograph before it is read."""

    name: str
    path: Path
    sha256: str
    embedded: bool
    converted: tuple[str, ...] = ()


@triplets("copies", source="benign edits of photographs", licence="that of the photographs")
def copies(folder: str = "", edits: str = "", others: int = 1, seed: int = 0) -> PairSource:
    """Edited copies against their photographs, and against others: copies, or copies:DIR for a folder of yours.

    Every photograph is brought to 224 x 224 and edited; the edited one is the query. It is compared with the photograph
    that it was made of (same) and with `others` others (different), so pairs of both kinds are edited alike. Each other
    photograph is of the same half (pairs.py), while there is one. Photographs without a folder are the embedded ones.

    Args:
        folder: of photographs; files that are equal count once. Two pictures of one scene are different photographs.
        edits: as `--edit` takes them, parted by spaces: `jpeg:95,30 crop`; all edits at their default strengths if
            empty.
        others: different pairs for each pair that is the same.
        seed: of what varies between pairs, such as directions and places.

    Raises UserError for an unknown edit, for fewer photographs than are compared, and for images that are broken.
    """
    found = _folder(Path(folder)) if folder else _embedded()
    asked = chosen(edits.split())
    if not 1 <= others < len(found):
        raise UserError(
            f"copies wants others from 1 to {len(found) - 1}, as there are {len(found)} different photographs, "
            f"got {others}"
        )
    if (count := len(found) * len(asked) * (1 + others)) > _MOST:
        raise UserError(f"copies makes at most {_MOST} pairs, and these would be {count}; name fewer edits or others")
    halves = {one.name: calibrates(one.name) for one in found}
    entries = [
        _entry(one, other, how, seed)
        for one in found
        for how in asked
        for other in (one, *_others(one, how, found, halves, others, seed))
    ]
    note = f"{len(found)} photographs under {len(asked)} edits, constructed"
    return pair_source("copies", entries, f"{RECIPE} seed {seed}", note)


def _embedded() -> list[_Photograph]:
    listing = read_bytes(FOLDER / "images.csv", "images.csv")
    names = [row["file"] for row in csv.DictReader(listing.decode().splitlines())]
    paths = [(FOLDER / name).resolve() for name in names]
    known = inspected(((path, f"images.csv, {path.name}") for path in paths), original=True)
    return [_Photograph(path.stem, path, known[path].sha256, embedded=True) for path in paths]


def _folder(root: Path) -> list[_Photograph]:
    first: dict[str, _Photograph] = {}
    for name, one in images_inside(root).items():
        first.setdefault(one.sha256, _Photograph(name, (root / name).resolve(), one.sha256, False, one.converted))
    if len(first) < 2:
        raise UserError(f"expected two different images or more in {root}, found {len(first)}")
    return list(first.values())


def _others(
    one: _Photograph, how: Chosen, every: Sequence[_Photograph], halves: Mapping[str, bool], count: int, seed: int
) -> list[_Photograph]:
    """The first photographs of a shuffle of its own, those of the same half before those of the other one."""

    def place(other: _Photograph) -> tuple[bool, str]:
        drawn = hashlib.sha256(f"{RECIPE}/{seed}/{one.sha256}/{how}/{other.sha256}".encode()).hexdigest()
        return halves[other.name] != halves[one.name], drawn

    return sorted((other for other in every if other is not one), key=place)[:count]


def _entry(one: _Photograph, other: _Photograph, how: Chosen, seed: int) -> PairEntry:
    same = one is other
    return PairEntry(
        f"{one.name} {how}" if same else f"{one.name} {how} ~ {other.name}",
        same,
        partial(_read, one, other, how, f"{RECIPE}/{seed}/{one.sha256}/{how}"),
        reference=one.name,
        other=other.name,
        group=str(how),
        files=f"{one.sha256} {other.sha256}",
        converted=tuple((str(each.path), kind) for each in {one, other} for kind in each.converted),
    )


def _read(one: _Photograph, other: _Photograph, how: Chosen, key: str) -> tuple[Tensor, Tensor]:
    copy = edited(_pixels(one), how.name, how.strength, NamedDraws(key))
    return to_tensor(copy), to_tensor(_pixels(other))


@lru_cache(maxsize=128)
def _pixels(one: _Photograph) -> Pixels:
    """(SIDE, SIDE, 3) bytes."""
    content = read_bytes(one.path, one.name)
    if one.embedded:
        image = Image.fromarray(np.asarray(decode_original(content, one.path, one.name)))
    else:
        image = decode(content, one.path, one.name).image
    return np.asarray(at_side(image))
