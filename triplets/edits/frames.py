"""Put into something, or something put over it: captions, borders, stickers and screenshots."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from perceptbench.triplets.constructed.distortions import Pixels
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.edits.base import Edit, edit

_TEXTS = ("when it is Monday again", "nobody: absolutely nobody:", "wait for it", "me after one coffee", "so true")
_COLOURS = ((255, 255, 255), (0, 0, 0), (200, 30, 30), (30, 90, 200), (240, 200, 40))


def _within(x: Pixels, box: tuple[int, int, int, int], colour: tuple[int, int, int]) -> Image.Image:
    """A canvas of the size and colour given, with the whole image inside the box (left, top, right, bottom)."""
    h, w, _ = x.shape
    left, top, right, bottom = box
    canvas = Image.new("RGB", (w, h), colour)
    small = Image.fromarray(x).resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BICUBIC)
    canvas.paste(small, (left, top))
    return canvas


@edit("caption", source="folklore")
@dataclass(frozen=True)
class Caption(Edit):
    """A white bar with a line of text, this many percent of the height, above or below; the image is squeezed."""

    strengths: ClassVar[tuple[float, ...]] = (8, 15, 25)
    range: ClassVar[tuple[float, float]] = (3, 60)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        h, w, _ = x.shape
        bar = max(1, round(h * strength / 100))
        above = draws.pick("place", (True, False))
        canvas = _within(x, (0, bar, w, h) if above else (0, 0, w, h - bar), (255, 255, 255))
        # The font that Pillow has in itself: a bitmap, the same on every machine.
        font = ImageFont.load_default_imagefont()
        place = 2, (0 if above else h - bar) + max(0, (bar - 11) // 2)
        ImageDraw.Draw(canvas).text(place, draws.pick("text", _TEXTS), fill=(0, 0, 0), font=font)
        return np.asarray(canvas)


@edit("border", source="folklore")
@dataclass(frozen=True)
class Border(Edit):
    """A frame of one colour, this many percent of the side at each side; the image is made smaller."""

    strengths: ClassVar[tuple[float, ...]] = (2, 5, 10)
    range: ClassVar[tuple[float, float]] = (0.5, 40)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        h, w, _ = x.shape
        across, down = (max(1, round(side * strength / 100)) for side in (w, h))
        return np.asarray(_within(x, (across, down, w - across, h - down), draws.pick("colour", _COLOURS)))


@edit("overlay", source="folklore")
@dataclass(frozen=True)
class Overlay(Edit):
    """A round sticker over a place that is drawn, this many percent of the side wide."""

    strengths: ClassVar[tuple[float, ...]] = (10, 20, 35)
    range: ClassVar[tuple[float, float]] = (2, 100)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        h, w, _ = x.shape
        wide = strength / 100
        left, top = draws.between("left", 0, 1 - wide) * w, draws.between("top", 0, 1 - wide) * h
        canvas = Image.fromarray(x)
        ImageDraw.Draw(canvas).ellipse(
            (left, top, left + wide * w, top + wide * h), fill=draws.pick("colour", _COLOURS), outline=(90, 90, 90)
        )
        return np.asarray(canvas)


@edit("screenshot", source="folklore")
@dataclass(frozen=True)
class Screenshot(Edit):
    """As a picture of a phone that shows it: bars above and below take this many percent of the height."""

    strengths: ClassVar[tuple[float, ...]] = (10, 20, 35)
    range: ClassVar[tuple[float, float]] = (4, 80)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        h, w, _ = x.shape
        both = max(2, round(h * strength / 100))
        head = max(1, round(both * 0.4))
        dark = draws.pick("theme", (True, False))
        ground, ink = ((24, 24, 28), (225, 225, 230)) if dark else ((248, 248, 250), (40, 40, 45))
        canvas = _within(x, (0, head, w, h - both + head), ground)
        pen = ImageDraw.Draw(canvas)
        middle = head // 2
        pen.rectangle((w * 0.04, middle, w * 0.16, middle + max(1, head // 6)), fill=ink)
        pen.rectangle((w * 0.84, middle, w * 0.96, middle + max(1, head // 6)), fill=ink)
        foot = h - (both - head) // 2
        for place in (0.15, 0.38, 0.62, 0.85):
            size = max(1.0, (both - head) * 0.15)
            pen.ellipse((w * place - size, foot - size, w * place + size, foot + size), fill=ink)
        return np.asarray(canvas)
