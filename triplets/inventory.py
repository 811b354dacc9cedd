"""Check before a run that every image it will need is there and complete, and take its SHA-256.

A file that was decoded before is not read again as long as its place, size and times are the same: its digest and what
was converted are kept in `images.json` in our cache, with the hash of the code that decodes. This is as safe as reading
again: whoever can change a file and restore its times can change that file too.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from filelock import FileLock

from perceptbench.core.errors import UserError
from perceptbench.core.files import cache_folder, is_there, write_atomically
from perceptbench.core.source_code import code_sha256
from perceptbench.triplets import images
from perceptbench.triplets import original as original_programs
from perceptbench.triplets.base import Entry

Stamp: TypeAlias = list[int]
"""Size, times of change of content and of the entry, and number of a file."""

_SETTLED_NS = 2 * 10**9
"""A file that was changed less than so long ago may change again within one tick of its clock."""


class Inspected(NamedTuple):
    """The SHA-256 of a file, and the kinds of what had to be converted to show it (triplets/shown.py)."""

    sha256: str
    converted: tuple[str, ...]


def digested(entries: Sequence[Entry], *, original: bool = False) -> list[Entry]:
    """The same entries with the digests of their files, and what was converted.

    With `original` the files are read as the programs of NIGHTS and BAPPS read them (triplets/original.py). Raises
    UserError for a file that is missing, broken or refused.
    """
    wanted = ((path, entry.where) for entry in entries for path in entry.paths)
    known = inspected(wanted, original=original)
    return [
        replace(
            entry,
            files=" ".join(known[path].sha256 for path in entry.paths),
            converted=tuple((str(path), kind) for path in entry.paths for kind in known[path].converted),
        )
        for entry in entries
    ]


def digests(wanted: Iterable[tuple[Path, str]], *, original: bool = False) -> dict[Path, str]:
    """The SHA-256 of each image file; see `inspected`."""
    return {path: found.sha256 for path, found in inspected(wanted, original=original).items()}


def inspected(wanted: Iterable[tuple[Path, str]], *, original: bool = False) -> dict[Path, Inspected]:
    """What is to be known of each image file, decoded once to see that it is whole.

    Args:
        wanted: (resolved path, where) pairs; `where` opens the message for a fault.
        original: as in `digested`.

    Of several faults the first of them is raised, as a UserError. It costs one decoding, some milliseconds an image and
    core; a broken file found in the fifth hour of a run would cost more.
    """
    first_use: dict[Path, str] = {}
    for path, where in wanted:
        first_use.setdefault(path, where)
    known = _Known.read(original)
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        found = list(pool.map(known.look, first_use, first_use.values()))
    finally:
        pool.shutdown(cancel_futures=True)
        known.write()
    return dict(zip(first_use, found, strict=True))


class _Known:
    """What is known of images that were decoded before in one of the two ways, by path."""

    def __init__(self, original: bool, files: Mapping[str, Any]) -> None:
        self._way = "original" if original else "shown"
        self._files = files
        self._new: dict[str, tuple[Stamp, Inspected]] = {}

    @classmethod
    def read(cls, original: bool) -> "_Known":
        """Those of the cache; none where it is of other code, or damaged."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(cache_file().read_text(encoding="utf-8"))
            if kept["code"] == _code():
                return cls(original, dict(kept["files"]))
        return cls(original, {})

    def look(self, path: Path, where: str) -> Inspected:
        """One image. Raises UserError where it is missing, broken or refused."""
        stamp, key = _stamp(path), f"{self._way} {path}"
        if stamp is not None and (kept := _kept(self._files.get(key), stamp)) is not None:
            return kept
        content = images.read_bytes(path, where)
        # A whole decoding: Pillow's verify() accepts a truncated JPEG.
        if self._way == "original":
            original_programs.decode(content, path, where)
            converted: tuple[str, ...] = ()
        else:
            converted = images.decode(content, path, where).converted
        found = Inspected(hashlib.sha256(content).hexdigest(), converted)
        if stamp is not None and time.time_ns() - max(stamp[1:3]) > _SETTLED_NS:
            self._new[key] = (stamp, found)
        return found

    def write(self) -> None:
        """Add what is new to the cache; without a writable cache the files are read again next time."""
        if not self._new:
            return
        with suppress(OSError):
            cache_file().parent.mkdir(parents=True, exist_ok=True)
            with FileLock(cache_file().with_name(".images.lock")):
                files = {**_Known.read(self._way == "original")._files, **self._new}
                text = json.dumps({"code": _code(), "files": files})
                write_atomically(cache_file(), lambda to: to.write_text(text, encoding="utf-8"))


def cache_file() -> Path:
    """The file of what is known of images."""
    return cache_folder() / "images.json"


def _code() -> str:
    return code_sha256("perceptbench.triplets.images", "perceptbench.triplets.original")


def _kept(value: object, stamp: Stamp) -> Inspected | None:
    """What the cache says of a file with this stamp; None where it says nothing that can be used."""
    if not (isinstance(value, list) and len(value) == 2 and value[0] == stamp and isinstance(value[1], list)):
        return None
    sha256, converted = value[1] if len(value[1]) == 2 else ("", None)
    if not (isinstance(sha256, str) and isinstance(converted, list) and all(isinstance(k, str) for k in converted)):
        return None
    return Inspected(sha256, tuple(converted))


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def split_target(target: str) -> tuple[Path, str | None]:
    """Part `PATH@SELECTION`; a path that exists as it stands is taken whole, so it may hold an @."""
    path, at, selection = target.rpartition("@")
    if not at or is_there(Path(target)):
        return Path(target), None
    if not selection:
        raise UserError(f"expected a split behind the @ of {target!r}, got nothing; name one or leave the @ out")
    return Path(path), selection
