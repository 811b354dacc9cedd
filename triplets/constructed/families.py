"""The recipe: each family makes, from one scene, a version nearer to the reference and one farther.

Two kinds of family. In the first the same distortion comes twice, and the farther version has at
least two or three times the strength. In the second, named `A-or-B`, a change A that people hardly
mind stands against a damage B that is plain to see. Raw pixels often say the contrary there: moving
a textured image by five pixels costs more squared error than blurring it away.
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
from perceptbench.triplets.constructed.scenes import MARGIN, Scene
from perceptbench.triplets.constructed.seeds import Dice

Pair: TypeAlias = tuple[Pixels, Pixels]
"""The nearer and the farther version, each (SIDE, SIDE, 3)."""
Change: TypeAlias = Callable[[Scene, Dice], Pixels]

TONES = ((128, 128, 128), (0, 0, 0), (255, 255, 255), (200, 30, 30), (30, 60, 190))


def _blur(scene: Scene, dice: Dice) -> Pair:
    weak = dice.between("weak", 0.7, 1.2)
    return blur(scene.reference, weak), blur(scene.reference, weak * dice.between("ratio", 3.5, 5))


def _jpeg(scene: Scene, dice: Dice) -> Pair:
    return (
        jpeg(scene.reference, dice.whole("weak", 40, 70)),
        jpeg(scene.reference, dice.whole("strong", 4, 9)),
    )


def _noise(scene: Scene, dice: Dice) -> Pair:
    normal = dice.gaussian("grain", scene.reference.shape)
    weak = dice.between("weak", 6, 12)
    return noise(scene.reference, weak, normal), noise(scene.reference, weak * dice.between("ratio", 3.5, 5), normal)


def _colour(scene: Scene, dice: Dice) -> Pair:
    x = scene.reference
    # Turning or fading colours shows only where there are some.
    colourful = np.ptp(x, axis=-1).mean() > 35
    way = dice.pick(
        "way", ("hue", "saturation", "cast", "contrast", "brightness") if colourful else ("cast", "contrast")
    )
    if way == "hue":
        sign = dice.pick("sign", (-1, 1))
        return hue(x, sign * dice.whole("weak", 5, 10)), hue(x, sign * dice.whole("strong", 70, 150))
    if way == "saturation":
        return saturation(x, dice.between("weak", 0.75, 0.85)), saturation(x, dice.between("strong", 0, 0.15))
    if way == "cast":
        sign = dice.pick("sign", (-1, 1))
        return cast(x, sign * dice.whole("weak", 8, 12)), cast(x, sign * dice.whole("strong", 45, 65))
    if way == "contrast":
        return contrast(x, dice.between("weak", 0.82, 0.9)), contrast(x, dice.between("strong", 0.2, 0.35))
    return brightness(x, dice.between("weak", 0.82, 0.9)), brightness(x, dice.between("strong", 0.25, 0.4))


def _shift(scene: Scene, dice: Dice) -> Pair:
    across, down = dice.pick("direction", ((1, 0), (0, 1), (1, 1), (1, -1), (-1, 0), (0, -1), (-1, -1), (-1, 1)))
    weak, strong = dice.whole("weak", 2, 5), dice.whole("strong", 24, MARGIN)
    return (
        view(scene.canvas, SIDE, dx=across * weak, dy=down * weak),
        view(scene.canvas, SIDE, dx=across * strong, dy=down * strong),
    )


def _rotation(scene: Scene, dice: Dice) -> Pair:
    sign = dice.pick("sign", (-1, 1))
    return (
        view(scene.canvas, SIDE, degrees=sign * dice.between("weak", 1.5, 4)),
        view(scene.canvas, SIDE, degrees=sign * dice.between("strong", 14, 19)),
    )


def _scale(scene: Scene, dice: Dice) -> Pair:
    return (
        view(scene.canvas, SIDE, zoom=dice.between("weak", 1.04, 1.1)),
        view(scene.canvas, SIDE, zoom=dice.between("strong", 1.6, 2.2)),
    )


def _occlusion(scene: Scene, dice: Dice) -> Pair:
    cx, cy, tone = dice.whole("cx", 84, 140), dice.whole("cy", 84, 140), dice.pick("tone", TONES)
    # One centre: the larger square covers all that the smaller one covers.
    return (
        occlusion(scene.reference, cx, cy, dice.whole("weak", 22, 36), tone),
        occlusion(scene.reference, cx, cy, dice.whole("strong", 100, 130), tone),
    )


def _texture(scene: Scene, dice: Dice) -> Pair:
    x, other = scene.reference, view(scene.partner(), SIDE)
    if dice.pick("way", ("band", "disc")) == "band":
        weak = dice.between("weak", 0.15, 0.25)
        return exchange_band(x, other, 6, weak), exchange_band(x, other, 6, 1)
    cx, cy = dice.whole("cx", 84, 140), dice.whole("cy", 84, 140)
    return (
        exchange_disc(x, other, cx, cy, dice.between("weak", 14, 22)),
        exchange_disc(x, other, cx, cy, dice.between("strong", 60, 80)),
    )


def _crops(scene: Scene, dice: Dice) -> Pair:
    far = scene.elsewhere() if dice.pick("way", ("elsewhere", "partner")) == "elsewhere" else None
    return _moved_far(scene, dice), view(scene.partner() if far is None else far, SIDE)


def _moved_far(scene: Scene, dice: Dice) -> Pixels:
    dx, dy = (dice.pick(f"sign {a}", (-1, 1)) * dice.whole(f"far {a}", 16, MARGIN) for a in "xy")
    return view(scene.canvas, SIDE, dx=dx, dy=dy)


def _moved(scene: Scene, dice: Dice) -> Pixels:
    """A step aside, a slight turn or a slight enlargement: the picture is the same to a person."""
    way = dice.pick("moved", ("shift", "turn", "enlarge"))
    if way == "shift":
        dx, dy = (dice.pick(f"sign {a}", (-1, 1)) * dice.whole(f"step {a}", 5, 9) for a in "xy")
        return view(scene.canvas, SIDE, dx=dx, dy=dy)
    if way == "turn":
        return view(scene.canvas, SIDE, degrees=dice.pick("sign", (-1, 1)) * dice.between("degrees", 3, 5))
    return view(scene.canvas, SIDE, zoom=dice.between("zoom", 1.07, 1.12))


def _lit(scene: Scene, dice: Dice) -> Pixels:
    """As if another exposure had been chosen."""
    way = dice.pick("lit", ("darker", "lighter", "gamma up", "gamma down"))
    if way == "darker":
        return brightness(scene.reference, dice.between("gain", 0.74, 0.82))
    if way == "lighter":
        return brightness(scene.reference, dice.between("gain", 1.18, 1.28))
    if way == "gamma up":
        return gamma(scene.reference, dice.between("power", 1.3, 1.45))
    return gamma(scene.reference, dice.between("power", 0.68, 0.77))


def _blurred(scene: Scene, dice: Dice) -> Pixels:
    return blur(scene.reference, dice.between("damage", 4, 7))


def _compressed(scene: Scene, dice: Dice) -> Pixels:
    return jpeg(scene.reference, dice.whole("damage", 3, 6))


def _grainy(scene: Scene, dice: Dice) -> Pixels:
    return noise(scene.reference, dice.between("damage", 26, 36), dice.gaussian("grain", scene.reference.shape))


def _covered(scene: Scene, dice: Dice) -> Pixels:
    x = scene.reference
    cx, cy, side = dice.whole("cx", 84, 140), dice.whole("cy", 84, 140), dice.whole("damage", 64, 80)
    under = x[cy - side // 2 : cy + side // 2, cx - side // 2 : cx + side // 2].mean((0, 1))
    # The nearest tone that still stands out: a small pixel error, yet nobody overlooks the square.
    gaps = {tone: np.sqrt(np.mean((under - tone) ** 2)) for tone in TONES}
    return occlusion(x, cx, cy, side, min((tone for tone in TONES if gaps[tone] >= 45), key=lambda tone: gaps[tone]))


def _retextured(scene: Scene, dice: Dice) -> Pixels:
    return exchange_band(scene.reference, view(scene.partner(), SIDE), 4, 1)


def _against(nearer: Change, farther: Change) -> Callable[[Scene, Dice], Pair]:
    return lambda scene, dice: (nearer(scene, dice), farther(scene, dice))


FAMILIES: dict[str, Callable[[Scene, Dice], Pair]] = {
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
