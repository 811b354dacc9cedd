"""Where the data sets of others are published, and how they are laid out there."""

from dataclasses import dataclass
from pathlib import Path

from perceptbench.core.errors import UserError
from perceptbench.core.fetch import hashes
from perceptbench.core.fetch.download import fetch, offline
from perceptbench.core.fetch.partial import Unreachable
from perceptbench.core.fetch.unpack import unpack

_GIGABYTE = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One archive.

    Args:
        url: the official source.
        strip: the folder inside that stands for the whole, if there is one.
        lands: where its content goes, below the folder that the user names.
        holds: what must be there then.
        sha256: as the publisher states it; "" where none is stated: that of the first use is recorded.
        gigabytes: what the archive, and what it unpacks to, may have at most.
        members: the number of files and folders it may have at most.
    """

    url: str
    strip: str
    lands: str
    holds: tuple[str, ...]
    sha256: str = ""
    gigabytes: int
    members: int

    @property
    def file(self) -> str:
        """Its name."""
        return self.url.rpartition("/")[2]


_BAPPS = "https://perceptual-similarity.s3.us-west-2.amazonaws.com/dataset"  # richzhang/PerceptualSimilarity, scripts/

PUBLISHED: dict[str, tuple[Archive, ...]] = {
    "nights": (
        Archive(
            url="https://data.csail.mit.edu/nights/nights.zip",  # ssundaram21/dreamsim, dataset/download_dataset.sh
            strip="nights",
            lands="nights",
            holds=("data.csv", "ref", "distort"),
            gigabytes=100,
            members=200_000,
        ),
    ),
    "bapps@val": (
        Archive(
            url=f"{_BAPPS}/twoafc_val.tar.gz",
            strip="val",
            lands="bapps/val",
            holds=("cnn/ref", "cnn/p0", "cnn/p1", "cnn/judge", "traditional/judge"),
            gigabytes=8,
            members=400_000,
        ),
    ),
    "bapps@train": (
        Archive(
            url=f"{_BAPPS}/twoafc_train.tar.gz",
            strip="train",
            lands="bapps/train",
            holds=("cnn/ref", "cnn/p0", "cnn/p1", "cnn/judge", "traditional/judge"),
            gigabytes=30,
            members=1_500_000,
        ),
    ),
}
PUBLISHED["bapps"] = PUBLISHED["bapps@val"] + PUBLISHED["bapps@train"]


def prepare(archive: Archive, to: Path) -> Path:
    """Fetch, check and unpack one archive below the folder `to`; give the folder of its content.

    Every step goes on where it was interrupted. The archive is deleted at the end; a folder that is there is
    left alone, since it was renamed into its place only when it was whole.

    Raises UserError, with what to do by hand where it cannot be fetched.
    """
    folder = to / archive.lands
    if folder.exists():
        return folder
    packed = to / archive.file
    if not packed.is_file() and offline():
        raise UserError(_by_hand(archive, packed, f"may not be fetched, since {offline()} is set"))
    try:
        fetch(archive.url, packed, archive.sha256, limit=archive.gigabytes * _GIGABYTE)
    except Unreachable as error:
        raise UserError(_by_hand(archive, packed, f"could not be fetched ({error})")) from error
    hashes.check(packed, archive.url, archive.sha256)
    staging = to / f".{archive.file}.unpacking"
    unpack(packed, staging, strip=archive.strip, members=archive.members, size=archive.gigabytes * _GIGABYTE)
    missing = [name for name in archive.holds if not (staging / name).exists()]
    if missing:
        raise UserError(
            f"{packed}: expected {', '.join(missing)} in it, found none; compare {archive.url} with docs/data.md"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging.rename(folder)
    packed.unlink()
    return folder


def _by_hand(archive: Archive, packed: Path, why: str) -> str:
    digest = f"SHA-256 {archive.sha256}" if archive.sha256 else "SHA-256 not stated"
    return (
        f"{archive.file} {why}: get it from {archive.url} ({digest}), put it at {packed}, and run the same command "
        "again, which unpacks it"
    )
