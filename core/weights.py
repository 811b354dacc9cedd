"""Pretrained weights: one way to find, fetch, check and read them.

Looked for, in this order: the folder $PERCEPTBENCH_WEIGHTS, an installed package that holds them, the
caches of torch (TORCH_HOME) and of the Hugging Face hub (HF_HOME), our own cache; then fetched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One file of weights and where its publisher offers it.

    Args:
        file: its name in $PERCEPTBENCH_WEIGHTS and in our cache.
        url: the official source, https.
        sha256: as the publisher states it, whole or its first 8 digits or more (torchvision's file names
            hold 8); "" where none is stated: then that of the first use is recorded and checked from then on.
        size: bytes; 0 where it is not known.
        also: other names under which the folder may hold the same tensors, in a layout the loader knows.
        package: "module:path" of a copy that comes with an installed Python package.
    """

    file: str
    url: str
    sha256: str = ""
    size: int = 0
    also: tuple[str, ...] = ()
    package: str = ""


def locate(weights: Weights) -> Path | None:
    """Where the file is on this machine, nothing fetched; None where it is not."""
    raise NotImplementedError


def resolve(weights: Weights) -> Path:
    """The file, fetched if need be, its hash checked.

    Raises UserError, in one sentence with name, URL, size, hash and place, where it is absent and cannot
    be fetched, or where it is not what it should be.
    """
    raise NotImplementedError


def load(weights: Weights) -> Mapping[str, Tensor]:
    """Its tensors by name, on the CPU: safetensors, or torch.load(weights_only=True); never unpickled freely.

    One level of a wrapping dictionary (`state_dict`, `model`, ...) is not removed here.
    Raises UserError as `resolve` does, and where the file is damaged or too large.
    """
    raise NotImplementedError
