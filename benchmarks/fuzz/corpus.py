"""Minimised failures of earlier campaigns, a file each: corpus/SURFACE/NAME. A test judges them at every commit."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fuzz.oracle import CaseFailure
from benchmarks.fuzz.surface import Surface

CORPUS = Path(__file__).with_name("corpus")
MOST = 64 * 2**10
"""Bytes of a kept case: a larger one is told and not kept."""


def folder_of(surface: Surface) -> str:
    """The name of a surface as a folder."""
    return re.sub(r"[^a-z0-9]+", "-", surface.name.lower()).strip("-")


def add(surface: Surface, failure: CaseFailure, case: bytes, corpus: Path = CORPUS) -> Path | None:
    """Keep a case; None where it is too large. Its name says what failed."""
    if len(case) > MOST:
        return None
    kind = re.sub(r"[^a-z0-9]+", "-", failure.kind.lower()).strip("-")[:60]
    path = corpus / folder_of(surface) / f"{kind}-{hashlib.sha256(case).hexdigest()[:6]}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(case)
    return path


def kept(surfaces: tuple[Surface, ...], corpus: Path = CORPUS) -> Iterator[tuple[Surface, Path]]:
    """Every kept case with its surface."""
    for surface in surfaces:
        yield from ((surface, path) for path in sorted((corpus / folder_of(surface)).glob("*.bin")))
