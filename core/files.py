"""Writing files so that a file is complete or does not exist, and the folder of the cache."""

import os
from collections.abc import Callable
from pathlib import Path

from perceptbench.core.errors import UserError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path beside `path`, flush it to disk, then rename it over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def weights_target(to: Path) -> None:
    """Make the folder for a file of weights. Raises UserError for a name without .safetensors or a read-only folder."""
    if to.suffix != ".safetensors":
        raise UserError(f"--to wants a name ending in .safetensors, got {to}")
    to.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(to.parent, os.W_OK):
        raise UserError(f"--to wants a folder that can be written, got {to.parent}")


def cache_folder() -> Path:
    """The folder for fetched files: `perceptbench` in $XDG_CACHE_HOME or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perceptbench"
