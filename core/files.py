"""Writing files so that a file is complete or does not exist, and the folder of the cache."""

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from perceptbench.core.errors import UserError

_FULL = 1 << 20
"""A disk with fewer free bytes is full."""
_ABANDONED = 3600.0
"""Seconds after which a part of a process that is gone is nobody's."""


def is_file(path: Path) -> bool:
    """Whether a file is there; False for a path that the system does not take, as one that is too long."""
    return _is(path, Path.is_file)


def is_folder(path: Path) -> bool:
    """Whether a folder is there; False for a path that the system does not take, as one that is too long."""
    return _is(path, Path.is_dir)


def is_there(path: Path) -> bool:
    """Whether anything is there; False for a path that the system does not take, as one that is too long."""
    return _is(path, Path.exists)


def _is(path: Path, kind: Callable[[Path], bool]) -> bool:
    try:
        return kind(path)
    except (OSError, ValueError):
        return False


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path beside `path`, flush it to disk, then rename it over.

    `write` must leave nothing else there: `save_file` of safetensors has a part of its own, so its bytes are written.

    Raises OSError, with `path` as its file, where the system does not take it; what was there before stays whole.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise
    except Exception as error:
        # Libraries written in Rust and C++ report what the system said in words of their own.
        if (number := _system_error(error, path.parent)) is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _system_error(error: Exception, folder: Path) -> int | None:
    """The number of the system's error behind one of a library; that of a full disk where it is full."""
    if isinstance(behind := error.__context__, OSError):
        return behind.errno
    if found := re.search(r"(?:os error |code: |errno )(\d+)", str(error)):
        return int(found[1])
    with suppress(OSError):
        return errno.ENOSPC if shutil.disk_usage(folder).free < _FULL else None
    return None


@contextmanager
def replaced_when_whole(to: Path) -> Iterator[Path]:
    """An empty folder for files that belong into the folder `to`: they come there at the end, when all are written.

    Where writing fails, `to` is as it was. What a killed process left there is removed, once it is surely abandoned.
    """
    new = not to.exists()
    _remove_abandoned(to)
    part = to / f".{os.getpid()}.part"
    try:
        part.mkdir(parents=True)
        yield part
        for path in sorted(path for path in part.rglob("*") if path.is_file()):
            target = to / path.relative_to(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if new:
            with suppress(OSError):  # it is not empty
                to.rmdir()


def _remove_abandoned(folder: Path) -> None:
    """Folders of parts whose process is gone and which nobody touched for an hour: on a disk that several machines
    share, the process may live on another one."""
    for part in folder.glob(".*.part"):
        number = part.name.removeprefix(".").removesuffix(".part")
        with suppress(OSError):
            if number.isdecimal() and not _lives(int(number)) and time.time() - part.stat().st_mtime > _ABANDONED:
                shutil.rmtree(part, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


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
