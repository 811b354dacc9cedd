"""What is known of a component before it is made: what `bench list` and the generated pages show."""

import importlib.util
from dataclasses import dataclass

from perceptbench.core.fetch.declared import Weights, locate


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Facts of a metric that its code does not show.

    Args:
        year: of the publication; 0 where there is none.
        weights: the files it computes with, from their official source.
        weights_licence: of those files, as their publisher states it.
        side: the side in pixels to which images are resized; 0 where any size is taken as it is.
        parameters: those of the networks that run, in millions.
        gmac: multiply-adds for one image once the images it is compared with are prepared, in 10^9.
        original: what the original calls its number: "distance", or "similarity" where we give 1 - it.
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
        """Those of the needed Python modules that are not installed here."""
        return tuple(module for module in self.needs if importlib.util.find_spec(module) is None)

    @property
    def absent(self) -> tuple[Weights, ...]:
        """Those of the weights that would have to be fetched first."""
        return tuple(file for file in self.about.weights if locate(file) is None) if self.about else ()
