"""Unpack an untrusted archive: inside its folder, bounded in size, files and folders only."""

import errno
import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.bytes_progress import bytes_progress

_CHUNK = 1 << 20
_DAMAGES = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class _Member:
    """What an archive states about one member; reading it gives at most `size` bytes."""

    name: str
    size: int
    folder: bool
    plain: bool
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, to: Path, *, strip: str = "", members: int, size: int) -> None:
    """Unpack a zip or a tar into the folder `to`. Files that are already there with the same size are kept.

    Args:
        archive: the file.
        to: the folder, made where it is missing.
        strip: a folder that is removed from the start of names.
        members: the most files and folders that are accepted.
        size: the most bytes that are accepted.

    Raises UserError for a full disk. Also for a damaged archive, a name outside of the folder, a link or a device, and
    too many members or bytes; in these cases `to` is deleted, so give it a folder of its own.
    """
    try:
        with bytes_progress() as progress:
            task, written = progress.add_task(f"unpacking {archive.name}", total=None), 0
            for count, member in enumerate(_members(archive), 1):
                written += member.size
                if count > members or written > size:
                    raise UserError(
                        f"{archive}: expected at most {members} files and {size} bytes, got more; delete it"
                    )
                _place(member, _target(archive, to, member, strip))
                progress.update(task, completed=written)
    except UserError:
        shutil.rmtree(to, ignore_errors=True)
        raise
    except (*_DAMAGES, OSError) as error:
        # gzip's own errors are OSErrors without a number.
        if not isinstance(error, OSError) or error.errno is None:
            # What was unpacked cannot be trusted either: the checksum of a tar comes at its end.
            shutil.rmtree(to, ignore_errors=True)
            raise UserError(f"{archive} is damaged ({error}); delete it and run the same command again") from error
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{to}: the disk is full; free some, and run the same command again: it goes on from what is there"
        ) from error


def _members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
                yield _Member(info.filename, info.file_size, info.is_dir(), plain, partial(zipped.open, info))
        return
    with archive.open("rb") as magic:
        compressed = magic.read(2) == b"\x1f\x8b"
    with gzip.open(archive) if compressed else archive.open("rb") as stream:
        with tarfile.open(fileobj=stream, mode="r|") as tarred:
            for entry in tarred:
                tarred.members = []  # type: ignore[attr-defined]  # else it keeps an entry for each of a million files
                plain = entry.isreg() or entry.isdir()
                yield _Member(entry.name, entry.size, entry.isdir(), plain, partial(tarred.extractfile, entry))
        while stream.read(_CHUNK):  # read to the end, where gzip compares its checksum
            pass


def _target(archive: Path, to: Path, member: _Member, strip: str) -> Path:
    """The path of a member. Raises UserError where it is outside of `to`, and for a link or a device."""
    parts = member.name.split("/")
    if not member.plain:
        raise UserError(
            f"{archive}: expected files and folders only, got a link or a device {member.name!r}; delete it"
        )
    if parts[0] == "" or ".." in parts or set(member.name) & set("\\:\0"):
        raise UserError(f"{archive}: expected names inside one folder, got {member.name!r}; delete it")
    inner = [part for part in parts if part not in ("", ".")]
    return to.joinpath(*(inner[1:] if inner[:1] == [strip] else inner))


def _place(member: _Member, target: Path) -> None:
    if member.folder:
        target.mkdir(parents=True, exist_ok=True)
        return
    if target.is_file() and target.stat().st_size == member.size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    if source is None:
        raise tarfile.TarError(f"{member.name} has no content")
    with source, target.open("wb") as stream:
        shutil.copyfileobj(source, stream, _CHUNK)
