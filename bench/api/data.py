"""Data sets: those of a name, and triplets of yours that are given as paths, arrays or a table."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from perceptbench.bench.api.arguments import path_of
from perceptbench.bench.api.images import opened, taken
from perceptbench.bench.request import Held
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.tasks.base import Source
from perceptbench.triplets.base import SIDE, Entry, TripletSource, checked_source, triplets
from perceptbench.triplets.csv_rows import plain_number
from perceptbench.triplets.images import at_side, read_image
from perceptbench.triplets.inventory import inspected

IMAGES = ("ref", "left", "right")
COLUMNS = (*IMAGES, "right_preferred", "votes")
"""Of a triplet, in the order of a tuple; those of a table too, where `id` may stand beside them."""


def data(data: Any, name: str | None = None, *, folder: str | Path = ".", min_votes: int = 0) -> "TripletData":
    """A data set for `pb.run`.

    Args:
        data: a name as on the command line (`"photos"`, `"nights:PATH@test"`); or triplets of yours: a list of tuples
            (reference, left, right, right_preferred, votes), of which the last two may be missing, or of mappings; or
            a pandas frame with the columns of `csv:` (ref, left, right, right_preferred, and maybe id and votes).
            Images are paths, PIL images, arrays or tensors of one image, which are brought to 224 x 224;
            right_preferred is the share of people, in [0, 1], who found `right` more like the reference. What is
            blank or 0.5 is a tie: left out and counted.
        name: what tables call triplets of yours.
        folder: where paths that are not absolute begin.
        min_votes: triplets with fewer votes are left out.

    Triplets without right_preferred have no right answer: they serve goal push, and pull (towards `left`).

    Returns:
        The data set; its `sha256` is over the contents of all images, ids and shares. A slice of it reads images.

    Raises UserError for an unknown name, and for what cannot be read, with the number of the triplet.

    Example:
        >>> mine = pb.data([("a.png", "b.png", "c.png", 1), ("a.png", "d.png", "c.png", 0.2)], name="mine")
        >>> pb.data("photos")[:8].reference.shape
        torch.Size([8, 3, 224, 224])
    """
    if isinstance(data, TripletData):
        return data
    if isinstance(data, str):
        if name is not None or min_votes:
            raise UserError(
                f"{data} is a registered data set; say its options in the name, as in csv:FILE(min_votes=6)"
            )
        ref = Ref.parse(data)
        return TripletData(str(ref), triplets.build(ref), registered=True)
    return TripletData(
        name or "triplets", _source(name or "triplets", _rows(data), path_of(folder, "folder"), min_votes)
    )


@dataclass(frozen=True, repr=False)
class TripletData:
    """A data set, whose images are read when they are asked for; `pb.data` makes it.

    Args:
        name: what tables call it.
        source: the data set as the suite sees it.
        registered: whether it is what the registry builds of its name.
    """

    name: str
    source: Source
    registered: bool = False

    @property
    def sha256(self) -> str:
        """Over everything that decides the samples."""
        return self.source.sha256

    @property
    def ties(self) -> int:
        """Samples that were left out, as there is no right answer."""
        return self.source.ties

    @property
    def ids(self) -> tuple[str, ...]:
        """Identifiers, each once, in the order of the data set."""
        return tuple(entry.id for entry in self.source.entries)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int | slice) -> Any:
        """Some samples with their images: a `pb.Triplets` of batches (n, 3, 224, 224), also for one number."""
        entries = self.source.entries[index] if isinstance(index, slice) else [self.source.entries[index]]
        return self.source.batch(entries)

    def held(self) -> Held:
        """For a request."""
        return Held(self.name, self.source, self.registered)

    def __repr__(self) -> str:
        return f"TripletData({self.name}: {len(self)} samples, {self.ties} ties left out)"


def _rows(data: Any) -> list[Mapping[str, Any]]:
    """Triplets as mappings from column to value."""
    if isinstance(data, pd.DataFrame):
        missing = [name for name in IMAGES if name not in data.columns]
        if missing:
            raise UserError(f"expected the column {', '.join(missing)}, got only {', '.join(map(str, data.columns))}")
        if repeated := sorted(set(map(str, data.columns[data.columns.duplicated()]))):
            raise UserError(f"expected each column once, got {', '.join(repeated)} twice or more; rename or drop it")
        return [{str(key): value for key, value in row.items()} for row in data.to_dict("records")]
    if not isinstance(data, Iterable):
        raise UserError(f"expected a name, a list of triplets or a frame, got {type(data).__name__}")
    return [_row(one, number) for number, one in enumerate(data)]


def _row(one: Any, number: int) -> Mapping[str, Any]:
    if isinstance(one, Mapping):
        return one
    if isinstance(one, list | tuple) and len(IMAGES) <= len(one) <= len(COLUMNS):
        return dict(zip(COLUMNS, one, strict=False))
    got = f"{len(one)} values" if isinstance(one, list | tuple) else type(one).__name__
    raise UserError(f"triplet {number}: expected (reference, left, right, right_preferred), got {got}")


def _source(name: str, rows: list[Mapping[str, Any]], folder: Path, min_votes: int) -> TripletSource:
    kept = [(number, row) for number, row in enumerate(rows) if not min_votes or _votes(row, number) >= min_votes]
    if not kept:
        raise UserError(f"{name}: expected at least one triplet with {min_votes} votes or more, got none")
    answers = any("right_preferred" in row for _, row in kept)
    images = [tuple(_Picture.of(row, key, number, folder) for key in IMAGES) for number, row in kept]
    files = inspected((one.path, one.where) for three in images for one in three if one.path is not None)
    entries = []
    for (number, row), three in zip(kept, images, strict=True):
        share = _share(row, number) if answers else 1.0
        prints = [files[one.path].sha256 if one.path is not None else one.sha256 for one in three]
        key = str(row.get("id", number))
        kinds = [(one, files[one.path].converted if one.path is not None else one.converted) for one in three]
        converted = tuple((one.key, kind) for one, found in kinds for kind in found)
        load = partial(_load, three)
        entries.append(Entry(key, share, load, reference=prints[0], files=" ".join(prints), converted=converted))
    return replace(checked_source(name, entries, ""), answers=answers)


def _load(three: "tuple[_Picture, ...]") -> tuple[Tensor, Tensor, Tensor]:
    reference, left, right = (one.load() for one in three)
    return reference, left, right


@dataclass(frozen=True)
class _Picture:
    """One image of a triplet: a file that is read when it is asked for, or pixels (3, SIDE, SIDE), bytes or floats."""

    where: str
    path: Path | None
    pixels: Tensor | None
    converted: tuple[str, ...] = ()
    """What had to be converted to show a PIL image."""

    @classmethod
    def of(cls, row: Mapping[str, Any], key: str, number: int, folder: Path) -> "_Picture":
        """Raises UserError for what is no single image."""
        where = f"triplet {number}, {key}"
        value = row.get(key)
        if isinstance(value, str | os.PathLike):
            return cls(where, (folder / path_of(value, where)).resolve(), None)
        if isinstance(value, Image.Image):
            image = opened(value, where)
            pixels = torch.from_numpy(np.array(at_side(image.image))).permute(2, 0, 1).contiguous()
            return cls(where, None, pixels, image.converted)
        found = taken(value, where)
        if not found.single:
            raise UserError(f"{where}: expected one image, got a batch or a list; give one triplet for each")
        return cls(where, None, _resized(found.images[0].detach().cpu()))

    @property
    def key(self) -> str:
        """Its file, or its place: what is converted is counted by it."""
        return self.where if self.path is None else str(self.path)

    @cached_property
    def sha256(self) -> str:
        """Of the pixels."""
        return sha256(cast(Tensor, self.pixels).numpy().tobytes()).hexdigest()

    def load(self) -> Tensor:
        """(3, SIDE, SIDE) in [0, 1]."""
        if self.path is not None:
            return read_image(self.path, self.where)
        pixels = cast(Tensor, self.pixels)
        return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels


def _resized(image: Tensor) -> Tensor:
    """(3, SIDE, SIDE), by the filter that files are resized by. Whole levels of 255 stay so, in bytes, as in a file."""
    levels = (image * 255).round()
    if torch.equal(levels / 255, image):
        pixels = np.asarray(at_side(Image.fromarray(levels.byte().permute(1, 2, 0).numpy())))
        return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).contiguous()
    if image.shape[1:] == (SIDE, SIDE):
        return image.clone()
    planes = [torch.from_numpy(np.array(at_side(Image.fromarray(plane.numpy(), mode="F")))) for plane in image]
    return torch.stack(planes).clamp(0, 1)


def _votes(row: Mapping[str, Any], number: int) -> float:
    value = row.get("votes")
    if value is None or pd.isna(value):
        raise UserError(f"triplet {number}: expected votes, as min_votes asks for them, got none")
    return _number(value, f"triplet {number}: expected a number of votes")


def _share(row: Mapping[str, Any], number: int) -> float:
    """The share of people who preferred right; one half where nobody said."""
    value = row.get("right_preferred")
    if value is None or pd.isna(value):
        return 0.5
    share = _number(value, f"triplet {number}: expected a share in [0, 1] for right_preferred")
    if not 0 <= share <= 1:
        raise UserError(f"triplet {number}: expected a share in [0, 1] for right_preferred, got {share:g}; correct it")
    return share


def _number(value: Any, expected: str) -> float:
    """A number, or text that is one as in a table. Raises UserError, which `expected` opens, for anything else."""
    try:
        return plain_number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        raise UserError(f"{expected}, got {value!r}; correct it") from None
