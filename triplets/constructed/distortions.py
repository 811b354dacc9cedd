"""Distortions as pure functions on (h, w, 3) arrays of bytes. Sizes are in pixels, tones in 0 to 255."""

import io
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFilter

Pixels: TypeAlias = UInt8[np.ndarray, "h w 3"]

# Hue turns about the grey axis in these coordinates; the matrices are those of NTSC television.
TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
FROM_YIQ = np.linalg.inv(TO_YIQ)


def to_bytes(x: np.ndarray) -> Pixels:
    """Round and clip tones."""
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def blur(x: Pixels, radius: float) -> Pixels:
    """Gaussian blur whose standard deviation is `radius` pixels."""
    return np.asarray(Image.fromarray(x).filter(ImageFilter.GaussianBlur(radius)))


def jpeg(x: Pixels, quality: int) -> Pixels:
    """Compress as JPEG (1 worst, 95 best) and decode again."""
    stream = io.BytesIO()
    Image.fromarray(x).save(stream, "JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(stream).convert("RGB"))


def noise(x: Pixels, sigma: float, normal: np.ndarray) -> Pixels:
    """Add `normal` (the shape of x, deviation 1) times sigma."""
    return to_bytes(x + sigma * normal)


def brightness(x: Pixels, gain: float) -> Pixels:
    """Multiply every tone by `gain`."""
    return to_bytes(x * gain)


def contrast(x: Pixels, gain: float) -> Pixels:
    """Stretch (gain > 1) or squeeze tones about the mean tone of the image."""
    mean = x.mean()
    return to_bytes(mean + gain * (x - mean))


def gamma(x: Pixels, power: float) -> Pixels:
    """Raise tones in [0, 1] to `power`: below 1 lightens, above 1 darkens, black and white stay."""
    return to_bytes(255 * (x / 255.0) ** power)


def saturation(x: Pixels, gain: float) -> Pixels:
    """Scale the distance of every colour from its own grey; 0 leaves a grey image."""
    grey = (x @ TO_YIQ[0])[..., None]
    return to_bytes(grey + gain * (x - grey))


def hue(x: Pixels, degrees: float) -> Pixels:
    """Turn every hue about the grey axis, keeping luma."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return to_bytes(x @ (FROM_YIQ @ turn @ TO_YIQ).T)


def cast(x: Pixels, warmth: float) -> Pixels:
    """Add `warmth` tones of red and take as many of blue."""
    return to_bytes(x + np.array([warmth, 0, -warmth]))


def view(canvas: Pixels, side: int, dx: float = 0, dy: float = 0, zoom: float = 1, degrees: float = 0) -> Pixels:
    """The middle `side` x `side` pixels of a square canvas, moved, enlarged or turned.

    The caller keeps the view inside the canvas: side / zoom * (cos + sin) + 2 * shift <= canvas.
    """
    image = Image.fromarray(canvas)
    if degrees:
        image = image.rotate(degrees, Image.Resampling.BICUBIC)
    half, cx, cy = side / zoom / 2, image.width / 2 + dx, image.height / 2 + dy
    box = (cx - half, cy - half, cx + half, cy + half)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box))


def occlusion(x: Pixels, cx: int, cy: int, side: int, tone: tuple[int, int, int]) -> Pixels:
    """Cover a square of one tone, centred at (cx, cy); what sticks out of the image is cut off."""
    covered = x.copy()
    top, left = max(0, cy - side // 2), max(0, cx - side // 2)
    covered[top : cy + side - side // 2, left : cx + side - side // 2] = tone
    return covered


def exchange_band(x: Pixels, other: Pixels, radius: float, weight: float) -> Pixels:
    """Keep what a blur of `radius` leaves of x and take the share `weight` of all detail from `other`."""
    detail = (1 - weight) * (x.astype(float) - blur(x, radius)) + weight * (other.astype(float) - blur(other, radius))
    return to_bytes(blur(x, radius) + detail)


def exchange_disc(x: Pixels, other: Pixels, cx: int, cy: int, radius: float) -> Pixels:
    """Replace a disc of x by the same place of `other`, with an edge some four pixels soft."""
    h, w, _ = x.shape
    row, column = np.ogrid[:h, :w]
    inner = np.clip((radius - np.hypot(row - cy, column - cx)) / 4 + 0.5, 0, 1)[..., None]
    return to_bytes(inner * other + (1 - inner) * x)
