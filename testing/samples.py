"""Images and triplets whose answers are known in advance: the exact radius of the pixel-l2 metric, in closed form."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from perceptbench.core.ref import Norm
from perceptbench.metrics.base import Metric
from perceptbench.triplets.base import Entry, Triplets, TripletSource
from perceptbench.triplets.pairs import PairEntry, Pairs, PairSource, pair_source


def generator(seed: int) -> torch.Generator:
    """Random numbers of this seed alone."""
    return torch.Generator().manual_seed(seed)


def random_images(n: int, height: int = 8, width: int | None = None, seed: int = 0) -> Tensor:
    """Uniform noise (n, 3, height, width) in [0, 1]."""
    return torch.rand(n, 3, height, height if width is None else width, generator=generator(seed))


def triplets(radii: list[float], height: int = 8, width: int | None = None, seed: int = 0) -> Triplets:
    """Triplets around mid-grey with these exact l2 radii under pixel l2; labels alternate.

    The nearest flip has pixels well inside [0, 1], so that clipping forbids nothing.
    """
    n, width = len(radii), height if width is None else width
    draw = generator(seed)
    reference = 0.5 + 0.1 * (torch.rand(n, 3, height, width, generator=draw, dtype=torch.float64) - 0.5)
    normal = torch.randn(n, 3, height, width, generator=draw, dtype=torch.float64)
    normal = normal / normal.flatten(1).norm(dim=1)[:, None, None, None]
    aside = 0.02 * torch.randn(n, 3, height, width, generator=draw, dtype=torch.float64)
    aside = aside - (aside * normal).sum((1, 2, 3), keepdim=True) * normal
    label = torch.arange(n) % 2
    sign = (2 * label - 1).double()[:, None, None, None]
    centre = reference + aside - sign * torch.tensor(radii, dtype=torch.float64)[:, None, None, None] * normal
    left, right = centre - 0.5 * normal, centre + 0.5 * normal
    ids = tuple(f"s{seed}-{i}" for i in range(n))
    return Triplets(reference.float(), left.float(), right.float(), label.float(), label.float(), ids)


def random_triplets(n: int, side: int, seed: int, metric: Metric) -> Triplets:
    """Unlike images, labelled by what the metric itself prefers: every answer is right."""
    reference, left, right = (random_images(n, side, seed=1000 * seed + i) for i in range(3))
    with torch.no_grad():
        d0, d1 = metric.prepare(left, right).distances(reference)
    label = (d1 < d0).float()
    return Triplets(reference, left, right, label, label, tuple(f"r{seed}-{i}" for i in range(n)))


def subset(batch: Triplets, index: Tensor) -> Triplets:
    """Some triplets of a batch, in this order."""
    return replace(batch.mapped(lambda x: x[index]), ids=tuple(batch.ids[i] for i in index.tolist()))


def l2_radius(batch: Triplets) -> Tensor:
    """|‖r - b‖² - ‖r - a‖²| / (2 ‖a - b‖): where the perpendicular bisector is, for the pixel-l2 metric."""
    r, a, b = (x.double().flatten(1) for x in (batch.reference, batch.left, batch.right))
    return ((r - b).square().sum(1) - (r - a).square().sum(1)).abs() / (2 * (a - b).norm(dim=1))


def linf_radius(batch: Triplets) -> Tensor:
    """|margin| / ‖w‖_1 of the same linear decision: w = b - a, margin = <r - (a + b) / 2, w>."""
    r, a, b = (x.double().flatten(1) for x in (batch.reference, batch.left, batch.right))
    w = b - a
    return ((r - (a + b) / 2) * w).sum(1).abs() / w.abs().sum(1)


def radius_in(norm: Norm, batch: Triplets) -> Tensor:
    """The exact radius of the pixel-l2 metric in either norm."""
    return l2_radius(batch) if norm == "l2" else linf_radius(batch)


def moved_across(batch: Triplets, factor: float) -> Tensor:
    """The reference, moved towards the bisector by `factor` times its distance, in float64."""
    r, a, b = (x.double() for x in (batch.reference, batch.left, batch.right))
    normal = torch.nn.functional.normalize((b - a).flatten(1), dim=1).view_as(r)
    sign = (1 - 2 * batch.label.double())[:, None, None, None]
    return r + factor * sign * l2_radius(batch)[:, None, None, None] * normal


def source_of(batch: Triplets, name: str = "made up") -> TripletSource:
    """A data set of these triplets, whose images keep their size."""
    shares = batch.right_share.tolist()
    entries = (Entry(sample, shares[i], partial(_row, batch, i)) for i, sample in enumerate(batch.ids))
    return TripletSource(name, tuple(entries), 0, name)


def _row(batch: Triplets, i: int) -> tuple[Tensor, Tensor, Tensor]:
    return batch.reference[i], batch.left[i], batch.right[i]


def pairs(distances: list[float], same: list[bool], side: int = 8, seed: int = 0) -> Pairs:
    """Pairs around mid-grey at these distances under pixel l2. `same` is a label; the images say nothing of it.

    No pixel comes near 0 or 1, so that clipping forbids nothing.
    """
    n, draw = len(distances), generator(seed)
    reference = 0.5 + 0.1 * (torch.rand(n, 3, side, side, generator=draw, dtype=torch.float64) - 0.5)
    away = torch.randn(n, 3, side, side, generator=draw, dtype=torch.float64)
    away = away / away.flatten(1).norm(dim=1)[:, None, None, None]
    other = reference + torch.tensor(distances, dtype=torch.float64)[:, None, None, None] * away
    return Pairs(reference.float(), other.float(), torch.tensor(same), tuple(f"p{seed}-{i}" for i in range(n)))


def pairs_source(batch: Pairs, photographs: list[tuple[str, str]] | None = None, name: str = "made up") -> PairSource:
    """A data set of these pairs, whose images keep their size; each has photographs of its own where none are named."""
    names = photographs or [(f"{one} a", f"{one} b") for one in batch.ids]
    entries = [
        PairEntry(one, bool(batch.same[i]), partial(_pair, batch, i), *names[i]) for i, one in enumerate(batch.ids)
    ]
    return pair_source(name, entries, name)


def _pair(batch: Pairs, i: int) -> tuple[Tensor, Tensor]:
    return batch.reference[i], batch.other[i]
