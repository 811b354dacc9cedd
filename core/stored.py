"""Arrays computed once and kept on disk, opened when first read: too large to hand to every process.

They are found by a hash of their content. What takes long is computed in parts, a file each, and joined at the end.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perceptbench.core import files
from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically


def cache_folder() -> Path:
    """Where they are kept: PERCEPTBENCH_CACHE, else the user's cache folder."""
    base = os.environ.get("PERCEPTBENCH_CACHE")
    return Path(base) if base else files.cache_folder()


class Stored:
    """An array in a .npy file, mapped into memory. Another process gets the path alone and maps it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._array: np.ndarray | None = None

    def __reduce__(self) -> tuple[type["Stored"], tuple[Path]]:
        return Stored, (self.path,)

    @property
    def array(self) -> np.ndarray:
        """The array, read-only. Raises UserError where the file is damaged."""
        if self._array is None:
            try:
                self._array = np.load(self.path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise UserError(f"{self.path} is damaged ({error}); delete it, and it is computed again") from error
        return self._array


def store(path: Path, array: np.ndarray) -> None:
    """Write an array whole."""

    def write(part: Path) -> None:
        with part.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)

    write_atomically(path, write)


def join(parts: Sequence[Path], whole: Path) -> None:
    """One array of the rows of several, in order, which are deleted. No more than one part is in memory."""
    arrays = [Stored(path).array for path in parts]
    shape = (sum(map(len, arrays)), *arrays[0].shape[1:])

    def write(part: Path) -> None:
        out = np.lib.format.open_memmap(part, "w+", dtype=arrays[0].dtype, shape=shape)
        filled = 0
        for rows in arrays:
            out[filled : filled + len(rows)] = rows
            filled += len(rows)
        out.flush()

    write_atomically(whole, write)
    for path in parts:
        path.unlink()
