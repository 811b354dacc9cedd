"""PNG, JPEG, WebP and BMP: chunks and segments edited with their checks made anew, or bytes damaged."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from benchmarks.fuzz.edits import NUMBERS, Bytes, damaged, edited
from benchmarks.fuzz.oracle import WrongError
from benchmarks.fuzz.surface import Surface
from perceptbench.triplets.base import SIDE
from perceptbench.triplets.images import read_image

_PNG = b"\x89PNG\r\n\x1a\n"
_MODES = {"png": ("RGB", "L", "P", "RGBA", "LA", "1", "I;16"), "jpeg": ("RGB", "L", "CMYK"), "webp": ("RGB", "RGBA"),
          "bmp": ("RGB", "L", "1")}  # fmt: skip


@cache
def originals(form: str) -> tuple[bytes, ...]:
    """A small picture in every mode that a format has."""
    made = []
    ramp = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)
    for mode in _MODES[form]:
        image = Image.fromarray(ramp)
        image = Image.fromarray(ramp[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
        buffer = io.BytesIO()
        image.save(buffer, form)
        made.append(buffer.getvalue())
    return tuple(made)


def chunks(content: bytes) -> list[bytes]:
    """The chunks of a PNG, each as its type and data."""
    found, at = [], len(_PNG)
    while at + 8 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        found.append(content[at + 4 : at + 8 + length])
        at += 12 + length
    return found


def of_chunks(pieces: Sequence[bytes]) -> bytes:
    """A PNG of chunks, with lengths and checksums that fit."""
    parts = (struct.pack(">I", max(len(one) - 4, 0)) + one + struct.pack(">I", zlib.crc32(one)) for one in pieces)
    return _PNG + b"".join(parts)


def segments(content: bytes) -> list[bytes]:
    """The segments of a JPEG, each as its marker and data; the last one holds the picture."""
    found, at = [], 2
    while at + 4 <= len(content) and content[at : at + 2] != b"\xff\xda":
        (length,) = struct.unpack(">H", content[at + 2 : at + 4])
        found.append(content[at : at + 2] + content[at + 4 : at + 2 + length])
        at += 2 + length
    return [*found, content[at:]]


def of_segments(pieces: Sequence[bytes]) -> bytes:
    """A JPEG of segments, with lengths that fit."""
    made = [b"\xff\xd8"]
    for one in pieces:
        whole = one.startswith(b"\xff\xda") or len(one) > 60_000
        made.append(one if whole else one[:2] + struct.pack(">H", len(one)) + one[2:])
    return b"".join(made)


def riff(content: bytes) -> list[bytes]:
    """The chunks of a RIFF file, each as its type and data."""
    found, at = [], 12
    while at + 8 <= len(content):
        (length,) = struct.unpack("<I", content[at + 4 : at + 8])
        found.append(content[at : at + 4] + content[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return found


def of_riff(pieces: Sequence[bytes]) -> bytes:
    """A WebP of chunks, with lengths that fit."""
    body = b"".join(one[:4] + struct.pack("<I", max(len(one) - 4, 0)) + one[4:] + b"\0" * (len(one) % 2)
                    for one in pieces)  # fmt: skip
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


_NUMBER = st.sampled_from(NUMBERS)
_EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"
_HEADER = st.builds(
    lambda w, h, rest: b"IHDR" + struct.pack(">II", w, h) + bytes(rest),
    _NUMBER, _NUMBER, st.lists(st.sampled_from([0, 1, 2, 3, 4, 6, 8, 16, 255]), min_size=5, max_size=5),
)  # fmt: skip
_BOMB = st.integers(1, 40).map(lambda n: b"zTXtComment\0\0" + zlib.compress(b"\0" * (n << 20)))
_ANCILLARY = st.builds(
    lambda name, data: name + data,
    st.sampled_from(
        [b"tRNS", b"gAMA", b"sRGB", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"PLTE", b"pHYs", b"IDAT"]
    ),
    st.one_of(st.binary(max_size=40), st.binary(max_size=40).map(zlib.compress)),
)
_FRESH: dict[str, Bytes] = {
    "png": st.one_of(_HEADER, _ANCILLARY, _BOMB),
    "jpeg": st.one_of(
        st.builds(lambda marker, data: b"\xff" + bytes([marker]) + data, st.integers(0, 255), st.binary(max_size=40)),
        st.integers(0, 9).map(lambda n: b"\xff\xe1" + _EXIF + struct.pack("<HH", n, 0) + b"\0" * 4),
        st.builds(
            lambda w, h, n: b"\xff\xc0\x08" + struct.pack(">HHB", h % 65536, w % 65536, n) + b"\1\x11\0" * n,
            _NUMBER, _NUMBER, st.integers(0, 5),
        ),
    ),
    "webp": st.builds(
        lambda name, data: name + data,
        st.sampled_from([b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"EXIF", b"ICCP"]),
        st.binary(max_size=60),
    ),
}  # fmt: skip
_FORMS: dict[str, tuple[Callable[[bytes], list[bytes]], Callable[[Sequence[bytes]], bytes]]] = {
    "png": (chunks, of_chunks),
    "jpeg": (segments, of_segments),
    "webp": (riff, of_riff),
}


def pictures(form: str) -> Bytes:
    """Files near a picture of this format."""
    kept = originals(form)
    raw = st.one_of([damaged(one) for one in kept])
    if form not in _FORMS:
        return raw
    split, join = _FORMS[form]
    structured = st.one_of([edited(split(one), _FRESH[form]).map(join) for one in kept])
    return st.one_of(structured, structured, raw)


def judge(case: bytes, folder: Path) -> None:
    """Read as every data set reads: (3, SIDE, SIDE) in [0, 1]. A PNG whose checksums fail is refused, or shows the
    original."""
    path = folder / "case.img"
    path.write_bytes(case)
    found = read_image(path, "case")
    if tuple(found.shape) != (3, SIDE, SIDE) or not bool(((found >= 0) & (found <= 1)).all()):
        raise WrongError("an image of another shape or range", tuple(found.shape))
    if case.startswith(_PNG) and not _checked(case):
        rights = [_pixels(one) for one in originals("png")[:-1]]
        if not any(bool((found == right).all()) for right in rights):
            raise WrongError("pixels of a PNG whose checksum fails")


@cache
def _pixels(content: bytes) -> Tensor:
    with NamedTemporaryFile(suffix=".png") as file:
        file.write(content)
        file.flush()
        return read_image(Path(file.name), "original")


def _checked(content: bytes) -> bool:
    """Whether every critical chunk up to the end has the checksum that it says."""
    at = len(_PNG)
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        body, check = content[at + 4 : at + 8 + length], content[at + 8 + length : at + 12 + length]
        critical = body[:1].isupper()
        if critical and check != struct.pack(">I", zlib.crc32(body)):
            return False
        if body[:4] == b"IEND":
            return True
        at += 12 + length
    return True


SURFACES = tuple(
    Surface(form, lambda form=form: pictures(form), judge, share)  # type: ignore[misc]
    for form, share in (("png", 12), ("jpeg", 10), ("webp", 6), ("bmp", 4))
)
