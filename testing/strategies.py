"""Hypothesis strategies for images: batches as contracts and plug-ins should meet them, degenerate ones included."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Tensor, cat, full

from perceptbench.testing.samples import random_images

KINDS = ("noise", "flat", "black", "white", "two colours", "one bright pixel")

few = settings(
    max_examples=12, deadline=None, derandomize=True, database=None, report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture],
)  # fmt: skip
"""For tests of a contract: the same few examples in every run, and one test method for every class derived from it."""


@st.composite
def images(draw: st.DrawFn, *, n: int | None = None, smallest: int = 4, largest: int = 12) -> Tensor:
    """Batches (n, 3, h, w) of float32 images in [0, 1]; each image is noise, flat, black, white or nearly so.

    Args:
        n: images a batch; 1 to 3 where it is None.
        smallest, largest: bounds of the sides, which need not be equal.
    """
    count = draw(st.integers(1, 3)) if n is None else n
    height, width = (draw(st.integers(smallest, largest)) for _ in range(2))
    return cat([_image(draw, draw(st.sampled_from(KINDS)), height, width) for _ in range(count)])


def _image(draw: st.DrawFn, kind: str, height: int, width: int) -> Tensor:
    """One image (1, 3, height, width)."""
    noise = random_images(1, height, width, seed=draw(st.integers(0, 2**16)))
    if kind == "noise":
        return noise
    if kind == "two colours":
        return noise.round()
    grey = draw(st.floats(0, 1, width=32)) if kind == "flat" else float(kind == "white")
    flat = full((1, 3, height, width), grey)
    if kind == "one bright pixel":
        flat[..., 0, 0] = 1.0
    return flat
