"""Photographs for training: folders and tar files, read and decoded when one is asked for."""

import hashlib
import os
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from perceptbench.core.errors import UserError
from perceptbench.training.lipsim.data.digests import Place, digests
from perceptbench.triplets.constructed.distortions import Pixels
from perceptbench.triplets.images import MAX_BYTES
from perceptbench.triplets.original import decode

SUFFIXES = {".webp", ".jpg", ".jpeg", ".png"}


@dataclass(frozen=True, slots=True, eq=False)
class Photographs(Sequence[Pixels]):
    """Photographs that stay in their files: of each only its place is kept, so a million of them fit.

    Indexing decodes one: (h, w, 3) bytes. `sha256` is over their names, contents and order.
    """

    names: tuple[str, ...]
    places: tuple[Place, ...]
    digests: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Pixels:  # type: ignore[override]
        return np.asarray(self.photo(index))

    def photo(self, index: int) -> Image.Image:
        """One photograph in RGB. Raises UserError, with its name, where the file has no whole image."""
        place = self.places[index]
        return decode(place.read(), Path(place.path), self.names[index])

    @property
    def sha256(self) -> str:
        """In hex; another one for every selection."""
        total = hashlib.sha256()
        for name, digest in zip(self.names, self.digests, strict=True):
            total.update(os.fsencode(name) + b"\0" + digest)
        return total.hexdigest()

    def select(self, index: Iterable[int]) -> "Photographs":
        """Some of the photographs."""
        chosen = list(index)
        parts = (tuple(values[i] for i in chosen) for values in (self.names, self.places, self.digests))
        return Photographs(*parts)  # type: ignore[arg-type]


def load_photographs(paths: Sequence[Path], limit: int | None = None) -> Photographs:
    """The photographs of some folders (recursively) and tar files, equal files once.

    Every file is read once for its SHA-256, and again only where its size or time has changed. With
    `limit`, that many of a fixed shuffle by name.

    Raises UserError when there are none, and for a damaged or compressed tar file or a file that is too large.
    """
    found = [(name, place) for path in paths for name, place in _files(path)]
    if not found:
        sources = ", ".join(map(str, paths))
        raise UserError(f"{sources}: expected images ({', '.join(sorted(SUFFIXES))}), found none")
    if limit is not None:
        drawn = sorted(range(len(found)), key=lambda i: hashlib.sha256(os.fsencode(f"limit {found[i][0]}")).digest())
        found = [found[i] for i in sorted(drawn[:limit])]
    names, places = zip(*found, strict=True)
    photographs = Photographs(names, places, digests(places))
    # Under two names the same photograph could be learnt from and held out.
    first = dict(reversed([(digest, i) for i, digest in enumerate(photographs.digests)]))
    return photographs if len(first) == len(photographs) else photographs.select(sorted(first.values()))


def _files(path: Path) -> list[tuple[str, Place]]:
    if path.is_dir():
        return list(_folder(path))
    if path.is_file() and tarfile.is_tarfile(path):
        return list(_members(path))
    raise UserError(f"expected a folder of images or a tar file, got {path}")


def _folder(path: Path) -> Iterable[tuple[str, Place]]:
    for file in sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        status = file.stat()
        _bounded(status.st_size, str(file))
        yield file.relative_to(path).as_posix(), Place(str(file), 0, status.st_size, status.st_mtime_ns)


def _members(path: Path) -> Iterable[tuple[str, Place]]:
    time = path.stat().st_mtime_ns
    try:
        # Without "r:" a compressed one would open too, and its members lie nowhere in the file.
        with tarfile.open(path, "r:") as archive:
            members = [m for m in archive if m.isreg() and Path(m.name).suffix.lower() in SUFFIXES]
    except tarfile.TarError as error:
        raise UserError(f"{path} is a damaged or compressed tar file ({error}); copy it again or unpack it") from error
    for member in sorted(members, key=lambda m: m.name):
        _bounded(member.size, member.name)
        yield member.name, Place(str(path), member.offset_data, member.size, time)


def _bounded(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise UserError(f"{name}: expected an image of at most {MAX_BYTES >> 20} MiB, got {size} bytes")
