"""What a search of a gallery answers, and what can be searched."""

from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from perceptbench.core.tensors import PerImage
from perceptbench.metrics.base import Representation


@runtime_checkable
class Look(Protocol):
    """Some queries beside a gallery of g images."""

    def nearest(self, allowed: Bool[Tensor, "n g"], k: int) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
        """Places and distances of the k nearest allowed images, by distance and then place.

        Every query must have k allowed images.
        """
        ...

    def ahead(self, allowed: Bool[Tensor, "n g"], place: Int[Tensor, " n"], *, ties: bool = True) -> Int[Tensor, " n"]:
        """How many allowed images are nearer than the one at `place`; with ties, those as far as it too."""
        ...

    def every(self) -> Float[Tensor, "n g"]:
        """All distances."""
        ...

    def within(self, allowed: Bool[Tensor, "n g"], tau: float) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, places and distances (m,) of all allowed pairs at most tau apart."""
        ...

    def distance(self, place: Int[Tensor, " n"]) -> PerImage:
        """Distance of each query from one image; differentiable in the query."""
        ...


@runtime_checkable
class Searched(Protocol):
    """A metric and the images that are searched."""

    def __len__(self) -> int: ...

    def look(self, represented: Representation) -> Look:
        """Compare queries, as `metric.represent` gives them, with the gallery."""
        ...

    def select(self, index: Tensor) -> "Searched":
        """What some of the queries are compared with."""
        ...
