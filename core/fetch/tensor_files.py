"""Untrusted files of tensors, read: no code is run, and no more memory is taken than the file has bytes."""

import zipfile
from collections.abc import Mapping
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load as from_bytes
from safetensors.torch import load_file
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.unwrap import unwrapped

MAX_BYTES = 8 << 30
_MAX_HEADER = 16 << 20
_MAX_TENSORS = 1 << 16
Shapes = dict[str, tuple[int, ...]]


def sized(path: Path, most: int = MAX_BYTES) -> Path:
    """The path itself. Raises UserError where there is no file, or one of more bytes."""
    if not path.is_file():
        raise UserError(f"expected weights at {path}, found no file")
    if (size := path.stat().st_size) > most:
        raise UserError(f"{path}: expected weights of at most {most} bytes, got {size}")
    return path


def safetensors_header(path: Path) -> tuple[dict[str, str], Shapes]:
    """What a safetensors file says of itself, and the shapes of its tensors by name; no tensor is read.

    Raises UserError where it is no such file.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if length > min(_MAX_HEADER, path.stat().st_size):
        raise UserError(
            f"{path} is damaged, or is not a safetensors file (a header of {length} bytes); train or copy it again"
        )
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            if len(names) > _MAX_TENSORS:
                raise UserError(f"{path}: expected at most {_MAX_TENSORS} tensors, got {len(names)}")
            return file.metadata() or {}, {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except UserError:
        raise
    except Exception as error:  # its own kind for a damaged header, others for types that torch does not have
        raise UserError(
            f"{path} is damaged, or is not a safetensors file ({_first_line(error)}); train or copy it again"
        ) from error


def tensors_of(source: Path | bytes, name: str, where: str) -> dict[str, Tensor]:
    """The tensors of safetensors or of a checkpoint of torch: by name, dense, floats in float32.

    Args:
        source: the file, or what it holds.
        name: of the file; its ending says which of the two it is.
        where: the file, for messages.

    Raises UserError where it is damaged or would need code to be run, and as `unwrapped` does.
    """
    if not name.endswith(".safetensors"):
        return unwrapped(unpickled(source, where), where)
    if isinstance(source, Path):
        safetensors_header(source)
    try:
        found = load_file(source) if isinstance(source, Path) else from_bytes(source)
    except Exception as error:
        raise UserError(f"{where} is damaged ({_first_line(error)}); train or copy it again") from error
    return unwrapped(found, where)


def unpickled(source: Path | bytes, where: str, device: torch.device | str = "cpu") -> Any:
    """What `torch.save` wrote: tensors, numbers and texts, in dictionaries and lists.

    Raises UserError where it is damaged, or would need code to be run.
    """
    stream: BufferedIOBase = BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with stream:
        _refuse_packed(stream, where)
        try:
            return torch.load(stream, map_location=device, weights_only=True)  # type: ignore[arg-type]
        except Exception as error:  # torch raises many kinds for a damaged or hostile file
            # Its longer messages advise to read the file without this protection; what is wrong stands behind this.
            _, _, reason = str(error).rpartition("WeightsUnpickler error: ")
            reason = "".join(filter(str.isprintable, reason.partition("\n")[0]))[:200].rstrip(" .")
            raise UserError(f"{where} is damaged, or would need code to be run when it is read ({reason})") from error


def _refuse_packed(stream: BufferedIOBase, where: str) -> None:
    """torch writes archives whose members are not compressed; in another one a small file could hold any size."""
    size = stream.seek(0, 2)
    try:
        if zipfile.is_zipfile(stream):
            stream.seek(0)
            with zipfile.ZipFile(stream) as archive:
                members = archive.infolist()
            packed = any(one.compress_type != zipfile.ZIP_STORED for one in members)
            if packed or sum(one.file_size for one in members) > size:
                raise UserError(f"{where} is damaged (its members are larger than the file); copy it again")
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, OSError) as error:
        raise UserError(f"{where} is damaged ({_first_line(error)}); copy it again") from error
    stream.seek(0)


def compared(found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Raises UserError, with one difference, where names or shapes are not exactly those that are wanted."""
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            there, here = (shapes.get(name, "missing") for shapes in (wanted, found))
            raise UserError(f"{where}: {name[:80]} is {here} in place of {there}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
