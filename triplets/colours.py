"""Colours in sRGB, by the ICC profile that an image brings."""

import io
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

SAME = 2
"""Levels of 255 by which a profile may move colours and still be that of sRGB: writers round its curves differently."""
SRGB_GAMMA = 1 / 2.2
SRGB_WHITE_AND_PRIMARIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x, y of white, red, green and blue, as a PNG lists them (chunk cHRM)."""

# Several threads read images at once, and the cache of a transform belongs to one.
_SHARED = ImageCms.Flags.NOCACHE
_MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}


class ProfileError(Exception):
    """A profile that cannot be used. The message says what it is, without a verb."""


def in_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, bool]:
    """An image of mode L, RGB or CMYK as RGB in sRGB, and whether its profile changed its colours.

    A grey image with a profile for RGB is taken as three equal channels. The intent is perceptual, or what the
    profile has in its place. Raises ProfileError for a profile that is damaged or for other channels.
    """
    mode, transform = _transform(profile)
    if image.mode == "L" and mode == "RGB":
        image = image.convert("RGB")
    if image.mode != mode:
        raise ProfileError(f"a profile for {mode} with an image in {image.mode}")
    if transform is None:
        return image.convert("RGB"), False
    return _apply(image, transform), True


def unlike_srgb(info: Mapping[str | tuple[int, int], object]) -> str:
    """What a PNG without profile says of its colours that is not true of sRGB, else ''. Viewers disagree about it."""
    if "srgb" in info:
        return ""
    gamma, places = info.get("gamma"), info.get("chromaticity")
    if isinstance(gamma, float) and abs(gamma - SRGB_GAMMA) > 0.01:
        return f"a gamma of {gamma:g}"
    if isinstance(places, tuple) and not np.allclose(places, SRGB_WHITE_AND_PRIMARIES, atol=0.01):
        return "primary colours of its own"
    return ""


@lru_cache(maxsize=32)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The mode that a profile is for, and the way to sRGB; None where that changes nothing."""
    try:
        opened = ImageCms.getOpenProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space
        mode = _MODES.get(space)
        if mode is None:
            raise ProfileError(f"a profile for {space.strip()}")
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB", flags=_SHARED)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise ProfileError(f"a damaged one ({error})") from None
    probe = _probe(mode)
    if mode == "CMYK" or _distance(_apply(probe, transform), probe.convert("RGB")) > SAME:
        return mode, transform
    return mode, None


def _apply(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    try:
        found = ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, ValueError) as error:
        raise ProfileError(f"one that cannot be applied ({error})") from None
    assert found is not None, "applyTransform gives None only where it works in place"
    return found


def _probe(mode: str) -> Image.Image:
    """All greys, or a grid over all colours."""
    levels = np.arange(256, dtype=np.uint8) if mode == "L" else np.arange(0, 256, 15, dtype=np.uint8)
    if mode == "L":
        return Image.fromarray(levels[None])
    grid = np.stack(np.meshgrid(levels, levels, levels), -1)
    return Image.fromarray(grid.reshape(len(levels), -1, 3))


def _distance(first: Image.Image, second: Image.Image) -> int:
    """The largest difference of a channel, in levels of 255."""
    return int(np.abs(np.asarray(first, dtype=int) - np.asarray(second, dtype=int)).max())
