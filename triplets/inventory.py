"""Check before a run that every image it will need is there and complete, and take its SHA-256."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from perceptbench.core.errors import UserError
from perceptbench.triplets.images import decode, read_bytes


def check_images(folder: Path, wanted: Iterable[tuple[Path, str]]) -> dict[str, str]:
    """Decode every image once; give the SHA-256 of each file by its path relative to `folder`.

    `wanted` holds (resolved path, where) pairs; of several faults the first of them is raised, as
    a UserError. It costs one decoding, some milliseconds an image and core; a broken file found in
    the fifth hour of a run would cost more.
    """
    root = folder.resolve()
    return {path.relative_to(root).as_posix(): digest for path, digest in digests(wanted).items()}


def digests(wanted: Iterable[tuple[Path, str]]) -> dict[Path, str]:
    """The SHA-256 of each image file, which is decoded once; arguments and errors are those of `check_images`."""
    first_use: dict[Path, str] = {}
    for path, where in wanted:
        first_use.setdefault(path, where)
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        found = list(pool.map(_checked_digest, first_use, first_use.values()))
    finally:
        pool.shutdown(cancel_futures=True)
    return dict(zip(first_use, found, strict=True))


def _checked_digest(path: Path, where: str) -> str:
    content = read_bytes(path, where)
    # A whole decoding: Pillow's verify() accepts a truncated JPEG.
    decode(content, path, where)
    return hashlib.sha256(content).hexdigest()


def fingerprint(selection: str, *parts: str, files: dict[str, str]) -> str:
    """One SHA-256 over what was selected, further digests, and each file's relative name and digest.

    The place of the folder is not in it, so a data set that is moved stays the same data set.
    """
    lines = [selection, *parts, *(f"{name} {digest}" for name, digest in sorted(files.items()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def split_target(target: str) -> tuple[Path, str | None]:
    """Part `PATH@SELECTION`; a path that exists as it stands is taken whole, so it may hold an @."""
    path, at, selection = target.rpartition("@")
    if not at or Path(target).exists():
        return Path(target), None
    if not selection:
        raise UserError(f"expected a split behind the @ of {target!r}, got nothing; name one or leave the @ out")
    return Path(path), selection
