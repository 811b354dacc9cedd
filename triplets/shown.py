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
import re
import struct
from typing import Any, NamedTuple

from PIL import Image, ImageOps

from perceptbench.core.errors import UserError
from perceptbench.triplets.colours import ProfileError, in_srgb, unlike_srgb
from perceptbench.triplets.png import Png, png_behind, refuse_deep, refuse_missing_colours

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
        image: what Pillow opened or made.
        where: opens the sentence of an error: `data.csv row 17`.
        place: ends what it got: ` in PATH`.

    Raises UserError for no pixel or more than MAX_PIXELS, which is asked before any pixel is decoded, more than 8 bits
    a channel or bits that nobody can tell (a PNG whose stream Pillow has let go of), several pictures, another format
    than FORMATS, and colours that cannot be brought to sRGB; OSError for a palette that is too short. Pillow's own
    errors for a damaged file pass.
    """
    refuse_size(image, where, place)
    _refuse_format(image, where, place)
    png = png_behind(image, where)
    refuse_deep(png, where, place)
    _refuse_deep_tiles(image, where, place)
    _refuse_foreign_colours(png, where, place)
    kinds = ["auxiliary picture"] if _has_auxiliary(image, where, place) else []
    image.load()
    refuse_missing_colours(image, png)
    if png is not None and png.depth in _LOW_GREY:
        image = _with_spread_transparency(image, _LOW_GREY[png.depth])
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
    """Raises UserError for no pixel, and for more than MAX_PIXELS."""
    if not image.width * image.height:
        raise UserError(
            f"{where}: expected at least one pixel, got {image.width} x {image.height}{place}; give another image"
        )
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


def _refuse_deep_tiles(image: Image.Image, where: str, place: str) -> None:
    """Raises UserError for channels of more than 8 bits in a file that is no PNG: Pillow cuts them without a word."""
    if any(re.search(r"^(?!BGR).*;(12|16|32)", str(_raw_mode(tile))) for tile in _tiles(image)):
        raise UserError(f"{where}: expected 8 bits a channel, got more{place}; convert the image")


def _refuse_foreign_colours(png: Png | None, where: str, place: str) -> None:
    """Raises UserError for other colours than sRGB in a cICP chunk, which counts before a profile. Pillow skips it."""
    if png is not None and png.foreign is not None:
        said = f"a cICP chunk of {', '.join(map(str, png.foreign[:8]))}"
        raise UserError(f"{where}: expected the colours of sRGB, got {said}{place}; convert it to sRGB")


def _tiles(image: Image.Image) -> list[tuple[object, ...]]:
    return list(getattr(image, "tile", []))


def _raw_mode(tile: tuple[object, ...]) -> object:
    arguments = tile[-1]
    return arguments[0] if isinstance(arguments, tuple) and arguments else arguments


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
    # Pillow gives None or nothing for a profile that is there and cannot be unpacked or put together.
    if "icc_profile" in source.info and not profile:
        raise UserError(f"{where}: expected a whole colour profile, got a damaged one{place}; save the image anew")
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
