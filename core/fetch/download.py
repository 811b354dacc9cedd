"""Fetch one file over HTTPS: resumed after an interruption, bounded in size, and checked by its hash."""

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.bytes_progress import bytes_progress
from perceptbench.core.fetch.hashes import file_sha256, known_sha256, remember
from perceptbench.core.fetch.partial import Cut, Part, Unreachable, version_of

LIMIT = 8 << 30
TIMEOUT = 30.0
WAITS = (1.0, 3.0, 9.0)
"""Seconds before each further try; the count starts again after a try that brought bytes."""
OFFLINE = ("PERCEPTBENCH_OFFLINE", "HF_HUB_OFFLINE")
_HERE = ("127.0.0.1", "localhost")


def offline() -> str:
    """The variable that forbids the network, if one is set; "" otherwise."""
    return next((name for name in OFFLINE if os.environ.get(name, "").lower() in ("1", "true", "yes", "on")), "")


def fetch(url: str, to: Path, sha256: str = "", size: int = 0, *, limit: int = LIMIT) -> str:
    """Fetch `url` into the file `to` and return its SHA-256.

    Bytes are first written to `<name>.part` beside it. A part that an interruption or a full disk left is continued as
    long as the server says by ETag or date that the file is the same. A part with a wrong hash is deleted.

    Args:
        url: https; plain http is allowed for this machine only.
        to: the path of the file. A file that is already there is kept, with any hash.
        sha256: the expected hash, whole or its first digits; "" where it is not known.
        size: the expected bytes; 0 where they are not known.
        limit: the most bytes that are accepted.

    Raises Unreachable where network or server do not give the file, and UserError for an address that is refused, a
    full disk, too many bytes or a wrong hash.
    """
    _refuse_plain(url, local=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(to.with_name(f".{to.name}.lock")):  # else two processes could write into one part
        if to.is_file():
            return known_sha256(to)
        part = Part(to.with_name(f"{to.name}.part"), url, size or limit)
        _persist(part)
        digest = file_sha256(part.path)
        if not digest.startswith(sha256) or size not in (0, part.have):
            wanted, got = f"{size or '?'} bytes, SHA-256 {sha256 or '?'}", f"{part.have} bytes, SHA-256 {digest}"
            part.delete()
            raise UserError(f"{url}: expected {wanted}, got {got}; it is deleted: ask its publisher what changed")
        part.finish(to)
    remember(to, digest)
    return digest


def _persist(part: Part) -> None:
    """Connect until the whole file is there. Raises Unreachable after several tries in a row that brought nothing."""
    failures, best = 0, part.have
    with bytes_progress() as progress:
        task = progress.add_task(part.path.name.removesuffix(".part"), total=None)
        while True:
            try:
                return _connect(part, lambda have, total: progress.update(task, completed=have, total=total))
            except Cut as cut:
                failures = 0 if part.have > best else failures + 1
                best = max(best, part.have)
                if failures > len(WAITS):
                    raise Unreachable(str(cut)) from cut
                time.sleep(WAITS[max(failures - 1, 0)])


def _connect(part: Part, show: Callable[[int, int | None], None]) -> None:
    """One connection: ask for the missing bytes and append them. Raises Cut where another try may help."""
    headers = {"User-Agent": "perceptbench", "Accept-Encoding": "identity"}
    if part.have and part.version:
        headers |= {"Range": f"bytes={part.have}-", "If-Range": part.version}
    try:
        with _OPENER.open(urllib.request.Request(part.url, headers=headers), timeout=TIMEOUT) as answer:
            if answer.status != 206:
                part.restart(version_of(answer))
            elif not part.continues(answer):
                part.delete()
                raise Cut("the file changed at its source")
            part.append(answer, show)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the part is not the beginning of the file that the server has
            part.delete()
        if error.code in (416, 429) or error.code >= 500:
            raise Cut(f"the server answers {error.code}") from error
        raise Unreachable(f"the server answers {error.code} {error.reason}") from error
    except (http.client.HTTPException, OSError) as error:
        raise Cut(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _refuse_plain(url: str, *, local: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (local and parts.scheme == "http" and parts.hostname in _HERE):
        raise UserError(f"expected an https address, got {url}: on the way here anything else can be changed")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything else."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        try:
            _refuse_plain(newurl, local=req.type == "http")
        except UserError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)
