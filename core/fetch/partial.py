"""A file that is being downloaded: the bytes that have come, their version, and appending the rest within bounds."""

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
    """The network or the server did not give the file; the message says why."""


class Cut(Exception):
    """The connection ended early, so another try may help."""


@dataclass(frozen=True, slots=True)
class Part:
    """`<name>.part`, and beside it `<name>.part.version` with the server's name of that version.

    Args:
        path: of the part.
        url: its source, for messages.
        bound: the most bytes that are accepted.
    """

    path: Path
    url: str
    bound: int

    @property
    def have(self) -> int:
        """The number of bytes that have come."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def version(self) -> str:
        """The version of these bytes; "" where it is not known."""
        return self._mark.read_text() if self._mark.is_file() else ""

    @property
    def _mark(self) -> Path:
        return self.path.with_name(f"{self.path.name}.version")

    def restart(self, version: str) -> None:
        """Delete what has come; the next bytes are of `version`."""
        self.path.unlink(missing_ok=True)
        self._mark.write_text(version)

    def delete(self) -> None:
        """Delete the part and its version."""
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def finish(self, to: Path) -> None:
        """Flush the part to disk and rename it to `to`."""
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        self.path.replace(to)
        self.delete()

    def continues(self, answer: HTTPResponse) -> bool:
        """Whether a partial answer (206) begins where this part ends, in the same version."""
        starts = answer.headers.get("Content-Range", "").startswith(f"bytes {self.have}-")
        return starts and version_of(answer) in ("", self.version)

    def append(self, answer: HTTPResponse, show: Callable[[int, int | None], None]) -> None:
        """Write the bytes of an answer; `show` gets the number of bytes so far and the expected total.

        Raises Cut where fewer bytes came than announced, Unreachable where no length was announced, and UserError for
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
        while chunk := answer.read1(CHUNK):  # whatever has arrived, so that an interruption loses nothing
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
    """The name of this version for If-Range: a strong ETag, else the date; "" where there is neither."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
