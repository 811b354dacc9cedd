"""Photographs for training: a folder or a tar file, decoded once into one array of bytes."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from core.errors import UserError

SUFFIXES = {".webp", ".jpg", ".jpeg", ".png"}
_MAX_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Bank:
    """`images` are bytes (n, 3, size, size); `sha256` is over the files' content and order."""

    images: Tensor
    names: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.names)

    def floats(self, index: Tensor) -> Tensor:
        """Some of the images as floats in [0, 1]."""
        return self.images[index].float() / 255


def load_bank(path: Path, size: int = 224, limit: int | None = None) -> Bank:
    """Read all images of a folder (recursively) or tar file, centre-cropped to `size`.

    Raises UserError when there are none, or when a file is not an image.
    """
    digest = hashlib.sha256()
    names: list[str] = []
    arrays: list[np.ndarray] = []
    for name, content in _files(path):
        if limit is not None and len(names) == limit:
            break
        try:
            with Image.open(io.BytesIO(content)) as image:
                arrays.append(_square(image.convert("RGB"), size))
        except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise UserError(f"{path}: {name} is not a readable image ({error})") from error
        names.append(name)
        digest.update(name.encode() + content)
    if not names:
        raise UserError(f"{path}: expected images ({', '.join(sorted(SUFFIXES))}), found none")
    images = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    return Bank(images, tuple(names), digest.hexdigest())


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES):
            _bounded(file.stat().st_size, file)
            yield str(file.relative_to(path)), file.read_bytes()
    elif path.is_file() and tarfile.is_tarfile(path):
        yield from _members(path)
    else:
        raise UserError(f"expected a folder of images or a tar file, got {path}")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as archive:
            members = [m for m in archive if m.isfile() and Path(m.name).suffix.lower() in SUFFIXES]
            for member in sorted(members, key=lambda m: m.name):
                _bounded(member.size, member.name)
                stream = archive.extractfile(member)
                if stream is not None:
                    yield member.name, stream.read()
    except tarfile.TarError as error:
        raise UserError(f"{path} is a damaged tar file ({error}); copy it again") from error


def _bounded(size: int, name: object) -> None:
    if size > _MAX_BYTES:
        raise UserError(f"{name}: expected an image of at most {_MAX_BYTES >> 20} MiB, got {size} bytes")


def _square(image: Image.Image, size: int) -> np.ndarray:
    if image.size != (size, size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)
