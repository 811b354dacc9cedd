"""Arrays computed once and kept on disk, opened when first read: too large to hand to every process."""

import os
from pathlib import Path

import numpy as np

from perceptbench.core import files
from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically


def cache_folder() -> Path:
    """Where training keeps them: PERCEPTBENCH_CACHE, else the user's cache folder."""
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
