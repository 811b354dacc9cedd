"""Pretrained weights: one way to find, fetch, check and read them.

Looked for, in this order: the folder $PERCEPTBENCH_WEIGHTS, an installed package that holds them, the
caches of torch (TORCH_HOME) and of the Hugging Face hub (HF_HOME), our own cache; then fetched.
"""

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import torch
from safetensors.torch import load_file
from torch import Tensor

from core import hashes
from core.download import fetch, offline
from core.errors import UserError
from core.files import cache_folder
from core.partial import Unreachable

FOLDER = "PERCEPTBENCH_WEIGHTS"
MAX_BYTES = 8 << 30
_HUB = re.compile(r"https://huggingface\.co/(?P<repo>[^/]+(?:/[^/]+)?)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One file of weights and where its publisher offers it.

    Args:
        file: its name in $PERCEPTBENCH_WEIGHTS and in our cache; no two files may share one.
        url: the official source, https.
        sha256: as the publisher states it, whole or its first 8 digits or more (torchvision's file names
            hold 8); "" where none is stated: then that of the first use is recorded and checked from then on.
        size: bytes; 0 where it is not known.
        also: other names under which the folder may hold the same tensors, in a layout the loader knows.
        package: "module:path" of a copy that comes with an installed Python package.
        by_hand: how a user gets it where `url` is a page and not the file ("run: pip install ..."); it is then
            never fetched.

    Raises UserError where a name is more than a name: it may come from what a user typed.
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
class _Copy:
    """A place where the weights may be, under which name its hash is kept, and what is stated of that."""

    path: Path
    key: str
    sha256: str = ""


def locate(weights: Weights) -> Path | None:
    """Where the file is on this machine, nothing fetched; None where it is not.

    Raises UserError where $PERCEPTBENCH_WEIGHTS names no folder.
    """
    found = _find(weights)
    return found.path if found else None


def resolve(weights: Weights) -> Path:
    """The file, fetched if need be, its hash checked.

    Raises UserError, in one sentence with name, URL, size, hash and place, where it is absent and cannot
    be fetched, or where it is not what it should be.
    """
    found = _find(weights)
    if found is None:
        found = _Copy(_own(weights), weights.url, weights.sha256)
        if weights.by_hand:
            raise UserError(_absent(weights, "cannot be fetched by this program"))
        if offline():
            raise UserError(_absent(weights, f"may not be fetched, since {offline()} is set"))
        try:
            digest = fetch(weights.url, found.path, weights.sha256, weights.size, limit=MAX_BYTES)
        except Unreachable as error:
            raise UserError(_absent(weights, f"could not be fetched ({error})")) from error
        hashes.remember(found.path, digest)
    hashes.check(found.path, found.key, found.sha256)
    return found.path


def load(weights: Weights) -> Mapping[str, Any]:
    """Its tensors by name, on the CPU: safetensors, or torch.load(weights_only=True); never unpickled freely.

    A wrapping dictionary (`state_dict`, `model`, ...) is not removed here.
    Raises UserError as `resolve` does, and where the file is damaged or too large.
    """
    return read(resolve(weights))


def read(path: Path) -> Mapping[str, Any]:
    """The tensors of a file as `load` gives them. Raises UserError where it is missing, damaged or too large."""
    if not path.is_file():
        raise UserError(f"expected weights at {path}, found no file")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path}: expected weights of at most {MAX_BYTES} bytes, got {path.stat().st_size}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a dozen kinds for a damaged or hostile file
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path} is damaged, or would need code to be run when it is read ({reason})") from error
    if not isinstance(state, Mapping) or not any(_tensors(state)):
        raise UserError(f"{path}: expected a dictionary of tensors, got {type(state).__name__}")
    return state


def _tensors(state: Mapping[str, Any]) -> Iterator[bool]:
    for value in state.values():
        if isinstance(value, Tensor):
            yield True
        elif isinstance(value, Mapping):
            yield from _tensors(value)


def _find(weights: Weights) -> _Copy | None:
    return next((copy for copy in _copies(weights) if copy.path.is_file()), None)


def _copies(weights: Weights) -> Iterator[_Copy]:
    """Where the file may be, in order. Other files with the same tensors have hashes of their own."""
    if folder := os.environ.get(FOLDER):
        if not Path(folder).is_dir():
            raise UserError(f"expected a folder of weights in ${FOLDER}, got {folder!r}; correct or unset it")
        yield _Copy(Path(folder) / weights.file, weights.url, weights.sha256)
        for name in weights.also:
            yield _Copy(Path(folder) / name, f"{weights.url} as {name}")
    if inside := _in_package(weights.package):
        yield _Copy(inside, f"package {weights.package}")
    if not weights.by_hand:
        name = unquote(urlsplit(weights.url).path.rpartition("/")[2])
        yield _Copy(Path(torch.hub.get_dir()) / "checkpoints" / name, weights.url, weights.sha256)
        if cached := _in_hub(weights.url):
            yield _Copy(cached, weights.url, weights.sha256)
    yield _Copy(_own(weights), weights.url, weights.sha256)


def _own(weights: Weights) -> Path:
    return cache_folder() / "weights" / weights.file


def _in_package(place: str) -> Path | None:
    """A file of an installed package, which is not imported: that would run its code."""
    module, _, path = place.partition(":")
    spec = importlib.util.find_spec(module) if module else None
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) / path if folders else None


def _in_hub(url: str) -> Path | None:
    """A file in the cache of the Hugging Face hub, by its URL there."""
    found = _HUB.fullmatch(url)
    if found is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(found["repo"], unquote(found["file"]), revision=found["revision"])
    return Path(path) if isinstance(path, str) else None


def _absent(weights: Weights, why: str) -> str:
    size = f"{weights.size} bytes" if weights.size else "size not stated"
    digest = f"SHA-256 {weights.sha256}" if weights.sha256 else "SHA-256 not stated"
    folder = os.environ.get(FOLDER)
    place = f"${FOLDER} ({folder})" if folder else f"a folder named by ${FOLDER}"
    how = weights.by_hand or "get it"
    return (
        f"the weights {weights.file} are not on this machine and {why}: {how} from {weights.url} ({size}, {digest}) "
        f"and put it into {place} or at {_own(weights)}"
    )
