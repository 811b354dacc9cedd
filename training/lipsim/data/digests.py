"""Where the bytes of a photograph lie, and their SHA-256, taken once and kept as long as no file changes."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track

from perceptbench.core.errors import UserError
from perceptbench.core.stored import Stored, cache_folder, store

_BLOCK = 1024
_THREADS = 8


class Place(NamedTuple):
    """A file, or a part of a tar file: where it begins, its size in bytes, and the time of the file.

    The path is text, since a million of objects would take half a gigabyte more.
    """

    path: str
    offset: int
    size: int
    time: int

    def read(self) -> bytes:
        """The bytes. Raises UserError where the file is gone or shorter than it was."""
        try:
            with Path(self.path).open("rb") as stream:
                stream.seek(self.offset)
                content = stream.read(self.size)
        except OSError as error:
            raise UserError(f"expected a readable file, got {self.path} ({error.strerror}); check its rights") from None
        if len(content) < self.size:
            raise UserError(f"{self.path} became shorter while it was in use; run the same command again")
        return content


def digests(places: Sequence[Place]) -> tuple[bytes, ...]:
    """SHA-256 of the bytes at each place, 32 bytes each, remembered by the path, size and time of the files."""
    listing = hashlib.sha256()
    for path, offset, size, time in places:
        listing.update(os.fsencode(f"{Path(path).absolute()} {offset} {size} {time}\n"))
    kept = Stored(cache_folder() / "digests" / f"{listing.hexdigest()[:24]}.npy")
    if not kept.path.is_file():
        store(kept.path, np.frombuffer(b"".join(_computed(places)), dtype=np.uint8).reshape(-1, 32))
    rows = kept.array
    return tuple(row.tobytes() for row in rows)


def _computed(places: Sequence[Place]) -> list[bytes]:
    # In blocks: an executor would make a future for each of a million files at once.
    blocks = [places[i : i + _BLOCK] for i in range(0, len(places), _BLOCK)]
    with ThreadPoolExecutor(_THREADS) as pool:
        bar = track(blocks, "reading photographs", console=Console(stderr=True))
        return list(chain.from_iterable(pool.map(_digest, block) for block in bar))


def _digest(place: Place) -> bytes:
    return hashlib.sha256(place.read()).digest()
