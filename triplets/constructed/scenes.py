"""What a triplet is cut from: a square of one photograph with a margin around, and a second photograph."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image

from perceptbench.triplets.base import SIDE
from perceptbench.triplets.constructed.distortions import Pixels, view
from perceptbench.triplets.constructed.named_draws import NamedDraws

CANVAS = 288
"""Side of the square; the reference is its middle, the margin leaves room to move, turn and shrink."""
MARGIN = (CANVAS - SIDE) // 2

Photos: TypeAlias = Sequence[Pixels]
"""Photographs as (h, w, 3) bytes; an object that decodes one when indexed will do."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`canvas` and the two others are (CANVAS, CANVAS, 3) bytes.

    `elsewhere` makes a place of the same photograph that shares nothing with the canvas, or gives
    None when the photograph is too small for that; `partner` makes a square of another photograph.
    """

    canvas: Pixels
    elsewhere: Callable[[], Pixels | None]
    partner: Callable[[], Pixels]

    @property
    def reference(self) -> Pixels:
        """The middle of the canvas, (SIDE, SIDE, 3)."""
        return view(self.canvas, SIDE)


def cut(photos: Photos, index: int, draws: NamedDraws) -> Scene:
    """The scene of one triplet, of photograph `index`; the second one is drawn by `draws`."""
    photo = photos[index]
    side = _side(photo, draws)
    x, y = _place(photo, side, draws)

    def elsewhere() -> Pixels | None:
        # The far end of the longer side, where it lies wholly beyond the canvas.
        spots = [(0, y), (photo.shape[1] - side, y), (x, 0), (x, photo.shape[0] - side)]
        free = [(u, v) for u, v in spots if abs(u - x) >= side or abs(v - y) >= side]
        return _square(photo, *free[0], side) if free else None

    def partner() -> Pixels:
        other = photos[(index + draws.whole("partner", 1, len(photos) - 1)) % len(photos)]
        own = NamedDraws(f"{draws.key}/partner")
        size = _side(other, own)
        return _square(other, *_place(other, size, own), size)

    return Scene(_square(photo, x, y, side), elsewhere, partner)


def _side(photo: Pixels, draws: NamedDraws) -> int:
    return int(min(photo.shape[:2]) * draws.between("side", 0.8, 1))


def _place(photo: Pixels, side: int, draws: NamedDraws) -> tuple[int, int]:
    """The most detailed of four squares: in one of plain sky, no distortion would show."""
    h, w, _ = photo.shape
    places = [(draws.whole(f"x{i}", 0, w - side), draws.whole(f"y{i}", 0, h - side)) for i in range(4)]
    return max(places, key=lambda place: _detail(photo[place[1] : place[1] + side, place[0] : place[0] + side]))


def _detail(x: Pixels) -> float:
    thin = x[::4, ::4].astype(np.int32).sum(-1)
    return float(np.abs(np.diff(thin, axis=0)).mean() + np.abs(np.diff(thin, axis=1)).mean())


def _square(photo: Pixels, x: int, y: int, side: int) -> Pixels:
    image = Image.fromarray(np.ascontiguousarray(photo[y : y + side, x : x + side]))
    return np.asarray(image.resize((CANVAS, CANVAS), Image.Resampling.BICUBIC))
