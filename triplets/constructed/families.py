"""The recipe: each family makes, from one scene, a version nearer to the reference and one farther.

Two kinds of family. In the first the same distortion comes twice, and the farther version has at
least two or three times the strength. In the second, named `A-or-B`, the nearer version has a change A
that people hardly notice, the farther one an obvious damage B. Pixel errors often order the two the other
way: moving a textured image by five pixels costs more squared error than blurring it.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from perceptbench.triplets.base import SIDE
from perceptbench.triplets.constructed.distortions import (
    Pixels,
    blur,
    brightness,
    cast,
    contrast,
    exchange_band,
    exchange_disc,
    gamma,
    hue,
    jpeg,
    noise,
    occlusion,
    saturation,
    view,
)
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.constructed.scenes import MARGIN, Scene

Pair: TypeAlias = tuple[Pixels, Pixels]
"""The nearer and the farther version, each (SIDE, SIDE, 3)."""
Change: TypeAlias = Callable[[Scene, NamedDraws], Pixels]

TONES = ((128, 128, 128), (0, 0, 0), (255, 255, 255), (200, 30, 30), (30, 60, 190))


def _blur(scene: Scene, draws: NamedDraws) -> Pair:
    weak = draws.between("weak", 0.7, 1.2)
    return blur(scene.reference, weak), blur(scene.reference, weak * draws.between("ratio", 3.5, 5))


def _jpeg(scene: Scene, draws: NamedDraws) -> Pair:
    return (
        jpeg(scene.reference, draws.whole("weak", 40, 70)),
        jpeg(scene.reference, draws.whole("strong", 4, 9)),
    )


def _noise(scene: Scene, draws: NamedDraws) -> Pair:
    normal = draws.gaussian("grain", scene.reference.shape)
    weak = draws.between("weak", 6, 12)
    return noise(scene.reference, weak, normal), noise(scene.reference, weak * draws.between("ratio", 3.5, 5), normal)


def _colour(scene: Scene, draws: NamedDraws) -> Pair:
    x = scene.reference
    # Turning or fading colours shows only where there are some.
    colourful = np.ptp(x, axis=-1).mean() > 35
    way = draws.pick(
        "way", ("hue", "saturation", "cast", "contrast", "brightness") if colourful else ("cast", "contrast")
    )
    if way == "hue":
        sign = draws.pick("sign", (-1, 1))
        return hue(x, sign * draws.whole("weak", 5, 10)), hue(x, sign * draws.whole("strong", 70, 150))
    if way == "saturation":
        return saturation(x, draws.between("weak", 0.75, 0.85)), saturation(x, draws.between("strong", 0, 0.15))
    if way == "cast":
        sign = draws.pick("sign", (-1, 1))
        return cast(x, sign * draws.whole("weak", 8, 12)), cast(x, sign * draws.whole("strong", 45, 65))
    if way == "contrast":
        return contrast(x, draws.between("weak", 0.82, 0.9)), contrast(x, draws.between("strong", 0.2, 0.35))
    return brightness(x, draws.between("weak", 0.82, 0.9)), brightness(x, draws.between("strong", 0.25, 0.4))


def _shift(scene: Scene, draws: NamedDraws) -> Pair:
    across, down = draws.pick("direction", ((1, 0), (0, 1), (1, 1), (1, -1), (-1, 0), (0, -1), (-1, -1), (-1, 1)))
    weak, strong = draws.whole("weak", 2, 5), draws.whole("strong", 24, MARGIN)
    return (
        view(scene.canvas, SIDE, dx=across * weak, dy=down * weak),
        view(scene.canvas, SIDE, dx=across * strong, dy=down * strong),
    )


def _rotation(scene: Scene, draws: NamedDraws) -> Pair:
    sign = draws.pick("sign", (-1, 1))
    return (
        view(scene.canvas, SIDE, degrees=sign * draws.between("weak", 1.5, 4)),
        view(scene.canvas, SIDE, degrees=sign * draws.between("strong", 14, 19)),
    )


def _scale(scene: Scene, draws: NamedDraws) -> Pair:
    return (
        view(scene.canvas, SIDE, zoom=draws.between("weak", 1.04, 1.1)),
        view(scene.canvas, SIDE, zoom=draws.between("strong", 1.6, 2.2)),
    )


def _occlusion(scene: Scene, draws: NamedDraws) -> Pair:
    cx, cy, tone = draws.whole("cx", 84, 140), draws.whole("cy", 84, 140), draws.pick("tone", TONES)
    # One centre: the larger square covers all that the smaller one covers.
    return (
        occlusion(scene.reference, cx, cy, draws.whole("weak", 22, 36), tone),
        occlusion(scene.reference, cx, cy, draws.whole("strong", 100, 130), tone),
    )


def _texture(scene: Scene, draws: NamedDraws) -> Pair:
    x, other = scene.reference, view(scene.partner(), SIDE)
    if draws.pick("way", ("band", "disc")) == "band":
        weak = draws.between("weak", 0.15, 0.25)
        return exchange_band(x, other, 6, weak), exchange_band(x, other, 6, 1)
    cx, cy = draws.whole("cx", 84, 140), draws.whole("cy", 84, 140)
    return (
        exchange_disc(x, other, cx, cy, draws.between("weak", 14, 22)),
        exchange_disc(x, other, cx, cy, draws.between("strong", 60, 80)),
    )


def _crops(scene: Scene, draws: NamedDraws) -> Pair:
    far = scene.elsewhere() if draws.pick("way", ("elsewhere", "partner")) == "elsewhere" else None
    return _moved_far(scene, draws), view(scene.partner() if far is None else far, SIDE)


def _moved_far(scene: Scene, draws: NamedDraws) -> Pixels:
    dx, dy = (draws.pick(f"sign {a}", (-1, 1)) * draws.whole(f"far {a}", 16, MARGIN) for a in "xy")
    return view(scene.canvas, SIDE, dx=dx, dy=dy)


def _moved(scene: Scene, draws: NamedDraws) -> Pixels:
    """A step aside, a slight turn or a slight enlargement: the picture is the same to a person."""
    way = draws.pick("moved", ("shift", "turn", "enlarge"))
    if way == "shift":
        dx, dy = (draws.pick(f"sign {a}", (-1, 1)) * draws.whole(f"step {a}", 5, 9) for a in "xy")
        return view(scene.canvas, SIDE, dx=dx, dy=dy)
    if way == "turn":
        return view(scene.canvas, SIDE, degrees=draws.pick("sign", (-1, 1)) * draws.between("degrees", 3, 5))
    return view(scene.canvas, SIDE, zoom=draws.between("zoom", 1.07, 1.12))


def _lit(scene: Scene, draws: NamedDraws) -> Pixels:
    """As if another exposure had been chosen."""
    way = draws.pick("lit", ("darker", "lighter", "gamma up", "gamma down"))
    if way == "darker":
        return brightness(scene.reference, draws.between("gain", 0.74, 0.82))
    if way == "lighter":
        return brightness(scene.reference, draws.between("gain", 1.18, 1.28))
    if way == "gamma up":
        return gamma(scene.reference, draws.between("power", 1.3, 1.45))
    return gamma(scene.reference, draws.between("power", 0.68, 0.77))


def _blurred(scene: Scene, draws: NamedDraws) -> Pixels:
    return blur(scene.reference, draws.between("damage", 4, 7))


def _compressed(scene: Scene, draws: NamedDraws) -> Pixels:
    return jpeg(scene.reference, draws.whole("damage", 3, 6))


def _grainy(scene: Scene, draws: NamedDraws) -> Pixels:
    return noise(scene.reference, draws.between("damage", 26, 36), draws.gaussian("grain", scene.reference.shape))


def _covered(scene: Scene, draws: NamedDraws) -> Pixels:
    x = scene.reference
    cx, cy, side = draws.whole("cx", 84, 140), draws.whole("cy", 84, 140), draws.whole("damage", 64, 80)
    under = x[cy - side // 2 : cy + side // 2, cx - side // 2 : cx + side // 2].mean((0, 1))
    # The nearest tone that still stands out: a small pixel error, but an obvious square.
    gaps = {tone: np.sqrt(np.mean((under - tone) ** 2)) for tone in TONES}
    return occlusion(x, cx, cy, side, min((tone for tone in TONES if gaps[tone] >= 45), key=lambda tone: gaps[tone]))


def _retextured(scene: Scene, draws: NamedDraws) -> Pixels:
    return exchange_band(scene.reference, view(scene.partner(), SIDE), 4, 1)


def _against(nearer: Change, farther: Change) -> Callable[[Scene, NamedDraws], Pair]:
    return lambda scene, draws: (nearer(scene, draws), farther(scene, draws))


FAMILIES: dict[str, Callable[[Scene, NamedDraws], Pair]] = {
    "blur": _blur,
    "jpeg": _jpeg,
    "noise": _noise,
    "colour": _colour,
    "shift": _shift,
    "rotation": _rotation,
    "scale": _scale,
    "occlusion": _occlusion,
    "texture": _texture,
    "crops": _crops,
    "moved-or-blurred": _against(_moved, _blurred),
    "moved-or-compressed": _against(_moved, _compressed),
    "moved-or-grainy": _against(_moved, _grainy),
    "moved-or-covered": _against(_moved, _covered),
    "moved-or-retextured": _against(_moved, _retextured),
    "lit-or-blurred": _against(_lit, _blurred),
    "lit-or-compressed": _against(_lit, _compressed),
    "lit-or-covered": _against(_lit, _covered),
    "lit-or-retextured": _against(_lit, _retextured),
}
