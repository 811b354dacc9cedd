"""Moved, cut or turned: the same scene at other places of the image."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from perceptbench.triplets.constructed.distortions import Pixels
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.edits.base import Edit, edit

# torchvision's v2 resize, rotate and flips of a Pillow image give these bytes by these calls; its import takes seconds.
_SMOOTH = Image.Resampling.BICUBIC


@edit("resize", source="Pillow, bicubic")
@dataclass(frozen=True)
class Resize(Edit):
    """Down to this share of the side in percent, and up again."""

    strengths: ClassVar[tuple[float, ...]] = (75, 50, 25)
    range: ClassVar[tuple[float, float]] = (5, 99)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        h, w, _ = x.shape
        small = max(1, round(w * strength / 100)), max(1, round(h * strength / 100))
        return np.asarray(Image.fromarray(x).resize(small, _SMOOTH).resize((w, h), _SMOOTH))


@edit("crop", source="Pillow, bicubic")
@dataclass(frozen=True)
class Crop(Edit):
    """This much of each side in percent cut off, at a place that is drawn, and the rest enlarged."""

    strengths: ClassVar[tuple[float, ...]] = (5, 15, 30)
    range: ClassVar[tuple[float, float]] = (1, 90)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        h, w, _ = x.shape
        left, top = (draws.between(name, 0, strength / 100) for name in ("left", "top"))
        kept = 1 - strength / 100
        box = (left * w, top * h, (left + kept) * w, (top + kept) * h)
        return np.asarray(Image.fromarray(x).resize((w, h), _SMOOTH, box=box))


@edit("shift", source="folklore")
@dataclass(frozen=True)
class Shift(Edit):
    """By this share of the side in percent along each axis, to a side that is drawn; edges are continued."""

    strengths: ClassVar[tuple[float, ...]] = (2, 5, 10)
    range: ClassVar[tuple[float, float]] = (0.5, 50)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        h, w, _ = x.shape
        down, right = (draws.pick(axis, (-1, 1)) * round(side * strength / 100) for axis, side in (("y", h), ("x", w)))
        rows, columns = np.clip(np.arange(h) - down, 0, h - 1), np.clip(np.arange(w) - right, 0, w - 1)
        return x[rows[:, None], columns]


@edit("shift-px", source="folklore")
@dataclass(frozen=True)
class ShiftByPixels(Edit):
    """By this many pixels along each axis, to a side that is drawn; edges are continued."""

    strengths: ClassVar[tuple[float, ...]] = (1, 4, 8)
    range: ClassVar[tuple[float, float]] = (1, 500)
    of_copies: ClassVar[bool] = False

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        h, w, _ = x.shape
        down, right = (draws.pick(axis, (-1, 1)) * round(strength) for axis in ("y", "x"))
        return x[np.clip(np.arange(h) - down, 0, h - 1)[:, None], np.clip(np.arange(w) - right, 0, w - 1)]


@edit("rotate", source="Pillow, bicubic")
@dataclass(frozen=True)
class Rotate(Edit):
    """By these degrees in a direction that is drawn; corners that nothing covers are black."""

    strengths: ClassVar[tuple[float, ...]] = (2, 5, 15)
    range: ClassVar[tuple[float, float]] = (0.1, 180)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        return np.asarray(Image.fromarray(x).rotate(draws.pick("way", (-1, 1)) * strength, _SMOOTH))


@edit("flip", source="folklore")
@dataclass(frozen=True)
class Flip(Edit):
    """1: left and right are exchanged, 2: above and below, 3: both."""

    strengths: ClassVar[tuple[float, ...]] = (1, 2, 3)
    range: ClassVar[tuple[float, float]] = (1, 3)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        way = round(strength)
        return np.ascontiguousarray(x[:: -1 if way & 2 else 1, :: -1 if way & 1 else 1])
