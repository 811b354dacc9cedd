"""Members of a zip archive, read into memory: nothing is written, and nothing larger than expected is read."""

import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load

from perceptbench.core.errors import UserError

_LIMIT = 1 << 30


def member(archive: Path, name: str) -> bytes:
    """What the member of this name holds, of at most 1 GiB.

    Raises UserError where there is none, or where the archive is damaged.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            if name not in opened.NameToInfo:
                raise UserError(f"{archive}: expected {name} in it, found {', '.join(sorted(opened.namelist())[:9])}")
            if (size := opened.getinfo(name).file_size) > _LIMIT:
                raise UserError(f"{archive}: expected {name} of at most {_LIMIT} bytes, got {size}")
            return opened.read(name)  # never more than the size it states
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{archive} is damaged ({error}); delete it, so that it is fetched again") from error


def tensors(archive: Path, name: str) -> Mapping[str, Any]:
    """A member that is a checkpoint: safetensors, or what torch loads without running code.

    Raises UserError as `member` does, and where it is no such checkpoint.
    """
    data = member(archive, name)
    try:
        if name.endswith(".safetensors"):
            return load(data)
        state = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a dozen kinds for a damaged or hostile file
        reason = str(error).partition("\n")[0]
        raise UserError(f"{archive}: {name} is damaged, or would need code to be run ({reason})") from error
    if not isinstance(state, Mapping):
        raise UserError(f"{archive}: expected a dictionary of tensors in {name}, got {type(state).__name__}")
    return state
