"""SHA-256 of files that decide numbers, compared with what their publisher states or with the first use.

`hashes.json` in our cache has two parts. "first use" has the hash that a file had at its first use, where its publisher
states none. "seen" has size, time and hash of files that were read before, since reading half a gigabyte at every start
takes seconds. This is as safe as reading again: whoever can change a file and restore its time can change the JSON too.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from perceptbench.core.errors import UserError, warn
from perceptbench.core.files import cache_folder, write_atomically

_EMPTY: dict[str, dict[str, Any]] = {"first use": {}, "seen": {}}


def store() -> Path:
    """The json file."""
    return cache_folder() / "hashes.json"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check(path: Path, key: str, stated: str = "") -> None:
    """Refuse a file with another hash than expected.

    Args:
        path: the file.
        key: a name that is the same on every machine: its URL.
        stated: its SHA-256, whole or the first digits; "" to compare with the first use, or to record the first use.

    Raises UserError, which names both hashes.
    """
    digest = known_sha256(path)
    if stated:
        if not digest.startswith(stated):
            raise UserError(f"{path}: expected SHA-256 {stated}, got {digest}; delete it and take the file of {key}")
        return
    first = _read()["first use"].get(key)
    if first is None:
        try:
            _write("first use", key, digest)
        except OSError as error:
            raise UserError(
                f"the SHA-256 of {path} is to be recorded in {store()}, which cannot be written ({error.strerror}); "
                "set XDG_CACHE_HOME to a folder that can"
            ) from error
        warn(
            f"{path.name}: its publisher states no SHA-256, so that of this first use is recorded in {store()} and "
            f"asked for from now on: {digest}"
        )
    elif first != digest:
        raise UserError(
            f"{path}: its SHA-256 was {first} at its first use and is {digest} now; put the former file back, "
            f"or, if the change is meant, delete the entry {key!r} from {store()}"
        )


def known_sha256(path: Path) -> str:
    """SHA-256 of a file; the file is not read again as long as its size and time are the same."""
    seen = _read()["seen"].get(str(path.resolve()))
    if isinstance(seen, list) and tuple(seen[:2]) == _stamp(path):
        return str(seen[2])
    digest = file_sha256(path)
    remember(path, digest)
    return digest


def remember(path: Path, digest: str) -> None:
    """Record the hash of a file with its size and time; without a writable cache the file is read again next time."""
    with suppress(OSError):
        _write("seen", str(path.resolve()), [*_stamp(path), digest])


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _read() -> dict[str, dict[str, Any]]:
    """The recorded hashes. A damaged record is refused: an empty one would accept any file as a first use."""
    if not store().is_file():
        return {name: {} for name in _EMPTY}
    try:
        kept = json.loads(store().read_text())
        return {name: dict(kept[name]) for name in _EMPTY}
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{store()} is damaged; delete it, and hashes are recorded afresh at the next use") from None


def _write(part: str, key: str, value: object) -> None:
    store().parent.mkdir(parents=True, exist_ok=True)
    with FileLock(store().with_name(".hashes.lock")):
        kept = _read()
        kept[part][key] = value
        text = json.dumps(kept, indent=1, sort_keys=True) + os.linesep
        write_atomically(store(), lambda to: to.write_text(text))
