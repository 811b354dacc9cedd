"""What is known of a registered component without building it; `bench list` and the generated pages show it."""

import importlib.util
from dataclasses import dataclass

from perceptbench.core.fetch.declared import Weights, locate


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Facts of a metric that its code does not show.

    Args:
        year: of the publication; 0 where there is none.
        weights: the files that it loads, each from its official source.
        weights_licence: the licence of these files, as their publisher states it.
        side: the side in pixels to which images are resized; 0 where images keep their size.
        parameters: of the networks that run, in millions.
        gmac: multiply-adds in 10^9 for one image, after the images it is compared with were prepared.
        original: what the original computes: "distance", or "similarity" where ours is 1 minus it.
        nights: published natural 2AFC score on the NIGHTS test split, in percent, and who published it.
    """

    year: int
    weights: tuple[Weights, ...] = ()
    weights_licence: str = ""
    side: int = 0
    parameters: float = 0.0
    gmac: float = 0.0
    original: str = "distance"
    nights: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A registered component."""

    name: str
    summary: str
    source: str
    licence: str
    needs: tuple[str, ...]
    about: About | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The Python modules it needs that are not installed here."""
        return tuple(module for module in self.needs if importlib.util.find_spec(module) is None)

    @property
    def absent(self) -> tuple[Weights, ...]:
        """The weights that must be fetched before it can be used."""
        return tuple(file for file in self.about.weights if locate(file) is None) if self.about else ()
