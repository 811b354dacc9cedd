"""What is known of a registered component without building it; `bench list` and the generated pages show it."""

import importlib.util
import re
from dataclasses import dataclass

from perceptbench.core.fetch.declared import Weights, locate

_NAME = re.compile(r"[\w.\-]+")


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

    def check(self) -> None:
        """Raises ValueError for a name that cannot be typed, TypeError for other facts than tables can show."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"a name is letters, digits, '-', '_' and '.', got {self.name!r}")
        texts = isinstance(self.source, str) and isinstance(self.licence, str)
        if not texts or not isinstance(self.needs, tuple) or not all(isinstance(one, str) for one in self.needs):
            raise TypeError(f"{self.name!r}: source and licence are texts, and needs is a tuple of names of modules")
        if self.about is not None and not isinstance(self.about, About):
            raise TypeError(f"{self.name!r}: about must be an About, got {type(self.about).__name__}")

    @property
    def missing(self) -> tuple[str, ...]:
        """The Python modules it needs that are not installed here."""
        return tuple(module for module in self.needs if not _is_here(module))

    @property
    def absent(self) -> tuple[Weights, ...]:
        """The weights that must be fetched before it can be used."""
        return tuple(file for file in self.about.weights if locate(file) is None) if self.about else ()


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # of `a.b` where there is no `a`
        return False
