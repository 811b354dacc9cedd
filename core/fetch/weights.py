"""Pretrained weights: the one way to find, fetch, check and read them.

Places are tried in this order: the folder $PERCEPTBENCH_WEIGHTS, an installed package that holds the file, the caches
of torch (TORCH_HOME) and of the Hugging Face hub (HF_HOME), our own cache. Then the file is fetched.
"""

import os
from pathlib import Path

from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.fetch import hashes
from perceptbench.core.fetch.declared import FOLDER, Copy, find, own
from perceptbench.core.fetch.declared import Weights as Weights
from perceptbench.core.fetch.declared import locate as locate
from perceptbench.core.fetch.download import fetch, offline
from perceptbench.core.fetch.partial import Unreachable
from perceptbench.core.fetch.tensor_files import MAX_BYTES, sized, tensors_of


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


def load(weights: Weights) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU and in float32, out of whatever dictionary they are wrapped in.

    Raises UserError as `resolve` does, and where the file is damaged or too large.
    """
    return read(resolve(weights))


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file as `load` gives them. Raises UserError where it is missing, damaged or too large."""
    return tensors_of(sized(path), path.name, str(path))


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
