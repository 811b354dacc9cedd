"""Pretrained weights: the one way to find, fetch, check and read them.

Places are tried in this order: the folder $PERCEPTBENCH_WEIGHTS, an installed package that holds the file, the caches
of torch (TORCH_HOME) and of the Hugging Face hub (HF_HOME), our own cache. Then the file is fetched.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.fetch import hashes
from perceptbench.core.fetch.declared import FOLDER, Copy, find, own
from perceptbench.core.fetch.declared import Weights as Weights
from perceptbench.core.fetch.declared import locate as locate
from perceptbench.core.fetch.download import fetch, offline
from perceptbench.core.fetch.partial import Unreachable

MAX_BYTES = 8 << 30


def resolve(weights: Weights) -> Path:
    """The path of the file, which is fetched where it is missing and whose hash is checked.

    Raises UserError with name, URL, size, hash and place where the file is missing and cannot be fetched, or where it
    has another hash.
    """
    found = find(weights)
    if found is None:
        found = Copy(own(weights), weights.url, weights.sha256)
        if weights.by_hand:
            raise UserError(_absent(weights, "cannot be fetched by this program"))
        if offline():
            raise UserError(_absent(weights, f"may not be fetched, since {offline()} is set"))
        try:
            fetch(weights.url, found.path, weights.sha256, weights.size, limit=MAX_BYTES)
        except Unreachable as error:
            raise UserError(_absent(weights, f"could not be fetched ({error})")) from error
    hashes.check(found.path, found.key, found.sha256)
    return found.path


def load(weights: Weights) -> Mapping[str, Any]:
    """The tensors of a file by name, on the CPU: safetensors, or torch.load(weights_only=True), which runs no code.

    A wrapping dictionary (`state_dict`, `model`, ...) is kept.
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
    except Exception as error:  # torch raises many kinds for a damaged or malicious file
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


def _absent(weights: Weights, why: str) -> str:
    size = f"{weights.size} bytes" if weights.size else "size not stated"
    digest = f"SHA-256 {weights.sha256}" if weights.sha256 else "SHA-256 not stated"
    folder = os.environ.get(FOLDER)
    place = f"${FOLDER} ({folder})" if folder else f"a folder named by ${FOLDER}"
    how = weights.by_hand or "get it"
    return (
        f"the weights {weights.file} are not on this machine and {why}: {how} from {weights.url} ({size}, {digest}) "
        f"and put it into {place} or at {own(weights)}"
    )
