"""A search for two images that an embedding moves faster than was proved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from perceptbench.bench.api.data import data as data_of
from perceptbench.bench.api.metric import evaluated
from perceptbench.bench.api.metric import metric as metric_of
from perceptbench.certifiers.audit import Audit
from perceptbench.certifiers.audit import audit as search
from perceptbench.core.device import Device
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.tasks.base import Source

_BATCH = 4


@dataclass(frozen=True)
class Audited:
    """What a search found, over all images, in pixel l2.

    Args:
        n: images that it started from.
        largest_slope: the fastest way out of an image itself.
        largest_ratio: the largest ``|g(a) - g(b)| / |a - b|`` over pairs of images in [0, 1].
        proved_bound: what the proof says it never exceeds; None where nothing is proved.
        min_norm: the smallest ``|g|``.
        refuted: whether the bound is exceeded: then no certificate of this metric holds.
    """

    n: int
    largest_slope: float
    largest_ratio: float
    proved_bound: float | None
    min_norm: float
    refuted: bool


def audit(metric: Any, data: Any = "photos", limit: int | None = 8, *, seed: int = 0, device: str = "auto") -> Audited:
    """Measure how fast an embedding moves, beside what is proved. No search exceeds a correct bound.

    Args:
        metric: what `pb.metric` takes, with an embedding. It is moved to the device.
        data: what `pb.data` takes; the search starts from its reference images.
        limit: only so many, of a fixed shuffle.

    Raises UserError for a metric without an embedding, or whose embedding is not finite.

    Example:
        >>> pb.audit("lipsim", limit=2).refuted
        False
    """
    where = Device(device).resolve()
    made = metric_of(metric)
    built = made.inner.to(where)
    if not isinstance(built, EmbeddingMetric):
        raise UserError(f"{made.name} has no embedding to audit; try --metric lipsim")
    source = data_of(data).source.limited(limit)
    with evaluated(made, frozen=True):
        found = searched(built, source, seed, where)
    return Audited(
        n=len(source),
        largest_slope=max(float(one.slope.max()) for one in found),
        largest_ratio=max(one.largest for one in found),
        proved_bound=found[0].bound,
        min_norm=float(torch.cat([one.norm for one in found]).min()),
        refuted=any(one.refuted for one in found),
    )


def searched(metric: EmbeddingMetric, source: Source, seed: int, device: str) -> Sequence[Audit]:
    """What a search finds from every reference image of a source, in batches."""
    found = []
    for start in range(0, len(source), _BATCH):
        batch = source.batch(source.entries[start : start + _BATCH]).to(device)
        found.append(search(metric, batch.reference, Noise.make(seed, batch.ids)))
    return found
