"""Read one image file that a stranger may have made: bounded, inside its folder, or a clear refusal.

It is read as a person sees it (triplets/shown.py).
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.files import is_file
from perceptbench.triplets.base import SIDE
from perceptbench.triplets.png import png_in
from perceptbench.triplets.shown import FORMATS, Shown, shown, too_large

MAX_BYTES = 64 * 2**20


def inside(folder: Path, name: str, where: str) -> Path:
    """The file `name` of a folder. Raises UserError when it is absolute or leads out of the folder."""
    try:
        path = (folder / name).resolve()
        leaves = Path(name).is_absolute() or not path.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        raise UserError(f"{where}: expected a file name, got {name!r}; correct the table") from None
    if leaves:
        raise UserError(f"{where}: expected a path inside the data folder, got {name!r}; put the file into the folder")
    return path


def read_bytes(path: Path, where: str, limit: int = MAX_BYTES) -> bytes:
    """The content of a file of at most `limit` bytes. Raises UserError when missing, unreadable or larger."""
    if not is_file(path):
        raise UserError(f"{where}: expected a file at {path}, found none; check the path")
    try:
        with path.open("rb") as stream:
            # Reading one byte more than allowed tells size without trusting what the disk reports.
            content = stream.read(limit + 1)
    except OSError as error:
        raise UserError(f"{where}: expected a readable file, got {path} ({error.strerror}); check its rights") from None
    if len(content) > limit:
        raise UserError(f"{where}: expected at most {limit} bytes, got a larger file {path}; make it smaller")
    return content


def decode(content: bytes, path: Path, where: str) -> Shown:
    """An image, completely decoded, as a person sees it.

    Raises UserError for what is no image, is cut off, or is refused by `shown`.
    """
    return whole(content, path, where, shown)


def said_by(error: Exception) -> str:
    """What an error of Pillow says, or its kind where it says nothing."""
    return str(error) or type(error).__name__


T = TypeVar("T")


def whole(content: bytes, path: Path, where: str, read: Callable[[Image.Image, str, str], T]) -> T:
    """What `read` makes of an opened image, `where` and ` in PATH`.

    Raises UserError for a broken file, with what Pillow says of it.
    """
    place = f" in {path}"
    try:
        png_in(content)  # Before Pillow, which would say less of a checksum that fails.
        return read(Image.open(io.BytesIO(content), formats=FORMATS), where, place)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(too_large(where, place)) from None
    except (UserError, MemoryError):
        raise
    except Exception as error:  # Decoders of damaged files end by whatever they meet: assertions, indices, recursion.
        kinds = ", ".join(FORMATS)
        reason = "it is no such image" if isinstance(error, UnidentifiedImageError) else said_by(error)
        raise UserError(f"{where}: expected a whole {kinds} image, got {path} ({reason}); replace the file") from None


def at_side(image: Image.Image, side: int = SIDE) -> Image.Image:
    """An image of side x side pixels, by Pillow's bicubic filter as NIGHTS does it."""
    return image.resize((side, side), Image.Resampling.BICUBIC)


def to_tensor(pixels: np.ndarray) -> Tensor:
    """An (h, w, 3) array of bytes as a (3, h, w) tensor in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).contiguous().float() / 255


def read_image(path: Path, where: str) -> Tensor:
    """An image as (3, SIDE, SIDE) in [0, 1].

    `where` opens the message of the UserError: `data.csv row 17`.
    """
    return to_tensor(np.asarray(at_side(decode(read_bytes(path, where), path, where).image)))


def read_three(paths: tuple[Path, Path, Path], where: str) -> tuple[Tensor, Tensor, Tensor]:
    """Reference, left and right of one triplet. Raises UserError as `read_image` does."""
    reference, left, right = (read_image(path, where) for path in paths)
    return reference, left, right
