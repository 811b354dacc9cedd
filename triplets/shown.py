"""An opened image as a person sees it in a viewer, as 8-bit RGB in sRGB; or a refusal in one sentence.

    orientation     an EXIF orientation is applied
    palette, grey, cmyk, ycbcr, hsv     become RGB; CMYK without a profile by Pillow's plain formula
    profile         an embedded ICC profile is converted to sRGB (triplets/colours.py)
    alpha           what is transparent shows a grey of level GREY
    auxiliary picture   a gain map or preview behind the picture, as phones write them, is left out

Refused are more than 8 bits a channel, several pictures in one file, and colours that nobody can interpret. NIGHTS and
BAPPS are read as their original programs read them (triplets/original.py).
"""

import io
import os
import re
import struct
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

from perceptbench.core.errors import UserError
from perceptbench.triplets.colours import ProfileError, in_srgb, unlike_srgb

GREY = 128
"""The level of all three channels behind what is transparent."""
MAX_PIXELS = 64_000_000

# Pillow would hand other formats to other programs (EPS to Ghostscript); these it decodes itself.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")

_KINDS = {"1": "grey", "L": "grey", "LA": "grey", "P": "palette", "PA": "palette", "RGB": "", "RGBA": "", "RGBX": ""}
_KINDS |= {"La": "grey", "RGBa": "", "CMYK": "cmyk", "YCbCr": "ycbcr", "HSV": "hsv"}
_LOW_GREY = {2: 85, 4: 17}
"""Distance of two levels of a grey PNG of so many bits, once Pillow has spread them over 0 to 255."""


class Shown(NamedTuple):
    """An RGB image, and the kinds of what was converted, each once."""

    image: Image.Image
    converted: tuple[str, ...]


def shown(image: Image.Image, where: str, place: str = "") -> Shown:
    """An opened image as a person sees it.

    Args:
        where: opens the sentence of an error: `data.csv row 17`.
        place: ends what it got: ` in PATH`.

    Raises UserError for more than MAX_PIXELS, which is asked before any pixel is decoded, more than 8 bits a channel,
    several pictures, another format than FORMATS, and colours that cannot be brought to sRGB. Pillow's own errors for
    a damaged file pass.
    """
    refuse_size(image, where, place)
    _refuse_format(image, where, place)
    depth = _refuse_depth(image, where, place)
    kinds = ["auxiliary picture"] if _has_auxiliary(image, where, place) else []
    image.load()
    if depth in _LOW_GREY:
        image = _with_spread_transparency(image, _LOW_GREY[depth])
    upright = _upright(image, where, place)
    kinds += ["orientation"] if upright is not image else []
    kinds += [_KINDS[image.mode]] if _KINDS[image.mode] else []
    base, alpha = _base_and_alpha(upright)
    rgb, moved = _in_srgb(base, upright, where, place)
    kinds += ["profile"] if moved else []
    if alpha is not None and alpha.getextrema() != (255, 255):
        rgb = Image.composite(rgb, Image.new("RGB", rgb.size, (GREY, GREY, GREY)), alpha)
        kinds.append("alpha")
    return Shown(rgb, tuple(kinds))


def refuse_size(image: Image.Image, where: str, place: str) -> None:
    """Raises UserError for more than MAX_PIXELS."""
    if image.width * image.height > MAX_PIXELS:
        raise UserError(too_large(where, place))


def too_large(where: str, place: str) -> str:
    """What is said of an image of more than MAX_PIXELS."""
    return f"{where}: expected at most {MAX_PIXELS // 10**6} megapixels, got more{place}; make it smaller"


def refuse_mode(image: Image.Image, where: str, place: str) -> None:
    """Raises UserError for a mode of more than 8 bits a channel."""
    if image.mode in DEEP_MODES:
        raise UserError(f"{where}: expected 8 bits a channel, got mode {image.mode}{place}; convert the image")


def _refuse_format(image: Image.Image, where: str, place: str) -> None:
    # Pillow calls a JPEG file of several pictures MPO. An image that was made in memory has no format.
    if image.format not in (*FORMATS, "MPO", None):
        raise UserError(f"{where}: expected a {', '.join(FORMATS)} image, got {image.format}{place}; convert the image")
    refuse_mode(image, where, place)
    if image.mode not in _KINDS:
        raise UserError(
            f"{where}: expected an RGB, grey or CMYK image, got mode {image.mode}{place}; convert it to RGB"
        )


def _refuse_depth(image: Image.Image, where: str, place: str) -> int | None:
    """Bits a channel of a PNG as far as they can be known, else None. Raises UserError for more than 8.

    Pillow cuts channels of 16 bits to 8 without a word, unless there is only one.
    """
    depth = _png_depth(image)
    if depth == 16 or any(re.search(r"^(?!BGR).*;(12|16|32)", str(_raw_mode(tile))) for tile in _tiles(image)):
        raise UserError(f"{where}: expected 8 bits a channel, got {depth or 'more'}{place}; convert the image")
    return depth


def _tiles(image: Image.Image) -> list[tuple[object, ...]]:
    return list(getattr(image, "tile", []))


def _raw_mode(tile: tuple[object, ...]) -> object:
    arguments = tile[-1]
    return arguments[0] if isinstance(arguments, tuple) and arguments else arguments


def _png_depth(image: Image.Image) -> int | None:
    """The bit depth in the first chunk of a PNG, whose pixels Pillow may have read already."""
    if not isinstance(image, PngImageFile):
        return None
    stream = image.fp
    try:
        if stream is not None:
            return _depth_at_start(stream)
        with Path(os.fsdecode(image.filename)).open("rb") as file:
            return _depth_at_start(file)
    except (OSError, ValueError, struct.error):
        return None


def _depth_at_start(stream: IO[bytes]) -> int | None:
    at = stream.tell()
    stream.seek(0)
    head = stream.read(25)
    stream.seek(at)
    return head[24] if len(head) == 25 and head[12:16] == b"IHDR" else None


def _has_auxiliary(image: Image.Image, where: str, place: str) -> bool:
    """Whether smaller pictures follow the one that viewers show. Raises UserError for several pictures of its rank.

    Phones write a gain map, a depth map or a preview behind a photograph; each is smaller than the photograph.
    Pictures of an animation, a stereo pair or a panorama are not.
    """
    count = getattr(image, "n_frames", 1)
    if count == 1:
        return False
    if image.format == "MPO" and all(w * h < image.width * image.height for w, h in _further_sizes(image)):
        return True
    raise UserError(f"{where}: expected one picture, got {count} in one file{place}; save the one that is meant")


def _further_sizes(image: Image.Image) -> list[tuple[int, int]]:
    """(width, height) of all pictures of an MPO but the first; one as large as the first where it cannot be read."""
    # Pillow keeps the second name once the first picture is read.
    stream: Any = getattr(image, "fp", None) or getattr(image, "_fp", None)
    try:
        at = stream.tell()
        stream.seek(0)
        # In another object, as going to a picture replaces what is known of the first.
        copy = Image.open(io.BytesIO(stream.read()), formats=("JPEG",))
        stream.seek(at)
        sizes = []
        for number in range(1, copy.n_frames):  # type: ignore[attr-defined]
            copy.seek(number)
            sizes.append(copy.size)
    except (OSError, SyntaxError, ValueError, EOFError, AttributeError):
        return [image.size]
    return sizes


def _with_spread_transparency(image: Image.Image, step: int) -> Image.Image:
    """A grey PNG of 2 or 4 bits whose transparent level is counted as its pixels are: Pillow spreads only those."""
    level = image.info.get("transparency")
    if image.mode != "L" or not isinstance(level, int):
        return image
    same = image.copy()
    same.info["transparency"] = level * step
    return same


def _upright(image: Image.Image, where: str, place: str) -> Image.Image:
    """The image turned as its EXIF says; the very same one where it says nothing, or cannot be read, as viewers do.

    Raises UserError where only a part of it can be read.
    """
    broken = (SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error)
    try:
        orientation = image.getexif().get(0x0112, 1)
    except broken:
        return image
    try:
        return ImageOps.exif_transpose(image) if orientation in range(2, 9) else image
    except broken as error:
        raise UserError(f"{where}: expected readable EXIF, got damaged EXIF{place} ({error}); remove it") from None


def _base_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The image in mode L, RGB or CMYK, and its opacity in mode L, where it may be transparent."""
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    elif image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        image = image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if image.mode == "LA":
        return image.getchannel("L"), alpha
    if image.mode == "1":
        return image.convert("L"), alpha
    return (image if image.mode in ("L", "CMYK") else image.convert("RGB")), alpha


def _in_srgb(base: Image.Image, source: Image.Image, where: str, place: str) -> tuple[Image.Image, bool]:
    """RGB in sRGB, and whether a profile changed colours."""
    profile = source.info.get("icc_profile")
    if not profile:
        if said := unlike_srgb(source.info):
            raise UserError(f"{where}: expected sRGB or an embedded profile, got {said}{place}; convert it to sRGB")
        return base.convert("RGB"), False
    try:
        return in_srgb(base, bytes(profile))
    except ProfileError as error:
        raise UserError(
            f"{where}: expected a colour profile that fits the image, got {error}{place}; convert it to sRGB"
        ) from None
