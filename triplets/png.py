"""What the chunks of a PNG say that Pillow does not tell: its depth, a cICP chunk, the length of its palette."""

import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from perceptbench.core.errors import UserError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SRGB = bytes([1, 13, 0, 1])
"""cICP of sRGB: primaries of BT.709, its transfer function, no matrix, full range."""


class Png(NamedTuple):
    """Of one PNG: bits a channel, how many colours its palette has, and the first cICP that is not that of sRGB."""

    depth: int
    colours: int
    foreign: bytes | None


def png_in(content: bytes) -> Png | None:
    """What the chunks of a file say; None for a file that is no PNG.

    Raises OSError where a checksum fails: Pillow does not look at those of the pixels.
    """
    if not content.startswith(_SIGNATURE):
        return None
    depth, colours, foreign = 0, 0, None
    at = len(_SIGNATURE)
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 8 + length
        if end + 4 > len(content):
            break  # It is cut off, which Pillow says.
        if zlib.crc32(memoryview(content)[at + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise OSError(f"the checksum of its part {kind.decode('ascii', 'replace')} fails")
        body = content[at + 8 : end] if kind in (b"IHDR", b"PLTE", b"cICP") else b""
        if kind == b"IHDR" and length > 8:
            depth = max(depth, body[8])
        elif kind == b"PLTE":
            colours = length // 3
        elif kind == b"cICP" and body != _SRGB:
            foreign = foreign or body or b"?"
        if kind == b"IEND":
            break
        at = end + 4
    return Png(depth, colours, foreign)


def png_behind(image: Image.Image, where: str) -> Png | None:
    """The same of an image that Pillow opened; None for one that is no PNG.

    Pillow lets go of a stream once the pixels are read; then the file is asked. Raises UserError where there is none,
    as channels of 16 bits would be cut to 8 unseen; OSError as `png_in` does.
    """
    if not isinstance(image, PngImageFile):
        return None
    content = _content(image)
    if content is None or not content.startswith(_SIGNATURE):
        raise UserError(
            f"{where}: expected a PNG whose bits a channel can be told, got one that Pillow has read from a stream; "
            "give the path, a fresh image or, where it has 8 bits, image.copy()"
        )
    return png_in(content)


def refuse_deep(png: Png | None, where: str, place: str) -> None:
    """Raises UserError for more than 8 bits a channel, which Pillow cuts to 8 without a word."""
    if png is not None and png.depth > 8:
        raise UserError(f"{where}: expected 8 bits a channel, got {png.depth}{place}; convert the image")


def refuse_missing_colours(image: Image.Image, png: Png | None) -> None:
    """Raises OSError where a pixel of a palette image has a number that its palette ends before."""
    if png is None or image.mode != "P":
        return
    highest: Any = image.getextrema()[1]
    if highest >= png.colours:
        raise OSError(f"a pixel has colour {highest} of a palette that ends at {png.colours - 1}")


def _content(image: PngImageFile) -> bytes | None:
    """All bytes of the file; None where neither its stream nor its path can be read."""
    stream: IO[bytes] | None = image.fp
    with suppress(OSError, ValueError):
        if stream is not None:
            at = stream.tell()
            stream.seek(0)
            content = stream.read()
            stream.seek(at)
            return content
        if image.filename:
            return Path(os.fsdecode(image.filename)).read_bytes()
    return None
