"""Check before a run that every image it will need is there and complete, and take its SHA-256.

A file that was decoded before is not read again as long as its place, size and times are the same: its digest is kept
in `images.json` in our cache, with the hash of the code that decodes. This is as safe as reading again: whoever can
change a file and restore its times can change that file too.
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
from typing import Any, TypeAlias

from filelock import FileLock

from perceptbench.core.errors import UserError
from perceptbench.core.files import cache_folder, write_atomically
from perceptbench.core.source_code import code_sha256
from perceptbench.triplets.base import Entry
from perceptbench.triplets.images import decode, read_bytes

Stamp: TypeAlias = list[int]
"""Size, times of change of content and of the entry, and number of a file."""

_SETTLED_NS = 2 * 10**9
"""A file that was changed less than so long ago may change again within one tick of its clock."""


def digested(entries: Sequence[Entry]) -> list[Entry]:
    """The same entries with the digests of their files. Raises UserError for a file that is missing or broken."""
    known = digests((path, entry.where) for entry in entries for path in entry.paths)
    return [replace(entry, files=" ".join(known[path] for path in entry.paths)) for entry in entries]


def digests(wanted: Iterable[tuple[Path, str]]) -> dict[Path, str]:
    """The SHA-256 of each image file, decoded once to see that it is whole.

    Args:
        wanted: (resolved path, where) pairs; `where` opens the message for a fault.

    Of several faults the first of them is raised, as a UserError. It costs one decoding, some milliseconds an image and
    core; a broken file found in the fifth hour of a run would cost more.
    """
    first_use: dict[Path, str] = {}
    for path, where in wanted:
        first_use.setdefault(path, where)
    known = _Known.read()
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        found = list(pool.map(known.digest, first_use, first_use.values()))
    finally:
        pool.shutdown(cancel_futures=True)
        known.write()
    return dict(zip(first_use, found, strict=True))


class _Known:
    """Digests of images that were decoded before, by path."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self._files = files
        self._new: dict[str, tuple[Stamp, str]] = {}

    @classmethod
    def read(cls) -> "_Known":
        """Those of the cache; none where it is of other code, or damaged."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(cache_file().read_text(encoding="utf-8"))
            if kept["code"] == _code():
                return cls(dict(kept["files"]))
        return cls({})

    def digest(self, path: Path, where: str) -> str:
        """The SHA-256 of one image. Raises UserError where it is missing, broken or refused."""
        stamp = _stamp(path)
        kept = self._files.get(str(path))
        if stamp is not None and isinstance(kept, list) and len(kept) == 2 and kept[0] == stamp:
            return str(kept[1])
        content = read_bytes(path, where)
        # A whole decoding: Pillow's verify() accepts a truncated JPEG.
        decode(content, path, where)
        digest = hashlib.sha256(content).hexdigest()
        if stamp is not None and time.time_ns() - max(stamp[1:3]) > _SETTLED_NS:
            self._new[str(path)] = (stamp, digest)
        return digest

    def write(self) -> None:
        """Add what is new to the cache; without a writable cache the files are read again next time."""
        if not self._new:
            return
        with suppress(OSError):
            cache_file().parent.mkdir(parents=True, exist_ok=True)
            with FileLock(cache_file().with_name(".images.lock")):
                files = {**_Known.read()._files, **self._new}
                text = json.dumps({"code": _code(), "files": files})
                write_atomically(cache_file(), lambda to: to.write_text(text, encoding="utf-8"))


def cache_file() -> Path:
    """The file of digests."""
    return cache_folder() / "images.json"


def _code() -> str:
    return code_sha256("perceptbench.triplets.images")


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def split_target(target: str) -> tuple[Path, str | None]:
    """Part `PATH@SELECTION`; a path that exists as it stands is taken whole, so it may hold an @."""
    path, at, selection = target.rpartition("@")
    if not at or Path(target).exists():
        return Path(target), None
    if not selection:
        raise UserError(f"expected a split behind the @ of {target!r}, got nothing; name one or leave the @ out")
    return Path(path), selection
