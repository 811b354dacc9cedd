"""Members of a zip archive, read into memory: nothing is written, and nothing larger than expected is read."""

import zipfile
import zlib
from pathlib import Path

from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.tensor_files import tensors_of

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


def tensors(archive: Path, name: str) -> dict[str, Tensor]:
    """A member that is a checkpoint: safetensors, or what torch loads without running code.

    Raises UserError as `member` does, and where it is no such checkpoint.
    """
    return tensors_of(member(archive, name), name, f"{archive}: {name}")
