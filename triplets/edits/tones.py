"""Tones and detail: every pixel changes and the scene stays where it is."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.triplets.constructed import distortions
from perceptbench.triplets.constructed.distortions import Pixels
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.edits.base import Edit, edit

# torchvision's v2 tones cut off fractions where these round, its blur cuts off the kernel, its noise draws globally.


@edit("blur", source="Pillow, Gaussian")
@dataclass(frozen=True)
class Blur(Edit):
    """Gaussian blur whose standard deviation is this many pixels."""

    strengths: ClassVar[tuple[float, ...]] = (1, 2, 4)
    range: ClassVar[tuple[float, float]] = (0.1, 50)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        return distortions.blur(x, strength)


@edit("noise", source="folklore")
@dataclass(frozen=True)
class GaussianNoise(Edit):
    """Normal noise whose standard deviation is this many grey levels of 255."""

    strengths: ClassVar[tuple[float, ...]] = (5, 15, 30)
    range: ClassVar[tuple[float, float]] = (0.5, 128)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        return distortions.noise(x, strength, draws.gaussian("noise", x.shape))


@edit("brightness", source="folklore")
@dataclass(frozen=True)
class Brightness(Edit):
    """Every tone multiplied by 1 plus or minus this many percent; the sign is drawn."""

    strengths: ClassVar[tuple[float, ...]] = (10, 25, 50)
    range: ClassVar[tuple[float, float]] = (1, 95)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        return distortions.brightness(x, 1 + draws.pick("way", (-1, 1)) * strength / 100)


@edit("contrast", source="folklore")
@dataclass(frozen=True)
class Contrast(Edit):
    """Tones stretched about their mean by 1 plus or minus this many percent; the sign is drawn."""

    strengths: ClassVar[tuple[float, ...]] = (10, 25, 50)
    range: ClassVar[tuple[float, float]] = (1, 95)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        return distortions.contrast(x, 1 + draws.pick("way", (-1, 1)) * strength / 100)


@edit("gamma", source="folklore")
@dataclass(frozen=True)
class Gamma(Edit):
    """Tones in [0, 1] raised to this power or to 1 over it; which of the two is drawn."""

    strengths: ClassVar[tuple[float, ...]] = (1.2, 1.5, 2.0)
    range: ClassVar[tuple[float, float]] = (1.01, 5)

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        return distortions.gamma(x, strength ** draws.pick("way", (-1, 1)))
