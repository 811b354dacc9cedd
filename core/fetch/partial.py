"""A file on its way here: what has come, which version of it that is, and appending the rest within bounds."""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import IO

from perceptbench.core.errors import UserError

CHUNK = 1 << 20
_AGAIN = "free some, and run the same command again: it goes on from what is there"


class Unreachable(UserError):
    """The network or the server did not give the file: the message says why, in a few words."""


class Cut(Exception):
    """The connection ended early: worth another try."""


@dataclass(frozen=True, slots=True)
class Part:
    """`<name>.part`, and beside it `<name>.part.version`: what the server called that version.

    Args:
        path: of the part.
        url: where it comes from, for messages.
        bound: never more bytes than this.
    """

    path: Path
    url: str
    bound: int

    @property
    def have(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def version(self) -> str:
        """Of what is there; "" where it is not known."""
        return self._mark.read_text() if self._mark.is_file() else ""

    @property
    def _mark(self) -> Path:
        return self.path.with_name(f"{self.path.name}.version")

    def restart(self, version: str) -> None:
        """Forget what is there; what comes now is `version`."""
        self.path.unlink(missing_ok=True)
        self._mark.write_text(version)

    def delete(self) -> None:
        """Leave nothing."""
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def finish(self, to: Path) -> None:
        """Flush it to disk and give it its name."""
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        self.path.replace(to)
        self.delete()

    def continues(self, answer: HTTPResponse) -> bool:
        """Whether a partial answer (206) begins where this ends, in the same version."""
        starts = answer.headers.get("Content-Range", "").startswith(f"bytes {self.have}-")
        return starts and version_of(answer) in ("", self.version)

    def append(self, answer: HTTPResponse, show: Callable[[int, int | None], None]) -> None:
        """Write what comes; `show` is told the bytes there are and the bytes there will be.

        Raises Cut where less came than was promised, Unreachable where nothing was promised, and UserError for
        too many bytes or a full disk; after a full disk the part is kept.
        """
        length = answer.headers.get("Content-Length")
        if length is None and not answer.chunked:
            raise Unreachable("the server does not say how long the file is, so a cut could not be told")
        total = self.have + int(length) if length is not None else None
        self._refuse_excess(total or 0)
        self._refuse_full_disk((total or 0) - self.have)
        try:
            with self.path.open("ab") as stream:
                self._copy(answer, stream, lambda have: show(have, total))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise UserError(f"{self.path}: the disk is full after {self.have} bytes; {_AGAIN}") from error
        if total is not None and self.have < total:
            raise Cut(f"the connection ended after {self.have} of {total} bytes")

    def _copy(self, answer: HTTPResponse, stream: IO[bytes], show: Callable[[int], None]) -> None:
        have = self.have
        while chunk := answer.read1(CHUNK):  # what is there, so that a cut loses none of it
            have += len(chunk)
            self._refuse_excess(have)
            stream.write(chunk)
            show(have)

    def _refuse_excess(self, size: int) -> None:
        if size > self.bound:
            self.delete()
            raise UserError(f"{self.url}: expected at most {self.bound} bytes, got {size} or more; ask its publisher")

    def _refuse_full_disk(self, missing: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < missing:
            raise UserError(f"{self.path}: {missing} bytes are to come, the disk has {free} left; {_AGAIN}")


def version_of(answer: HTTPResponse) -> str:
    """What names this version of the file for If-Range: a strong ETag, else the date; "" where there is none."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
