"""Images from what metrics keep of others, and how like these they are to metrics that were not inverted."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from perceptbench.attacks.inversion import GREY, STARTS, InverseSearch, require_inverse
from perceptbench.attacks.inversion import invert as searched
from perceptbench.bench.api.arguments import brief, number_of, path_of
from perceptbench.bench.api.images import taken
from perceptbench.bench.api.metric import MetricModule, evaluated
from perceptbench.bench.api.metric import metric as metric_of
from perceptbench.bench.inversion_files import as_pixels, write
from perceptbench.bench.provenance import provenance
from perceptbench.core.device import Device
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.number import MOST_SEED
from perceptbench.core.printable import printable
from perceptbench.core.tensors import Images, PerImage, tensor_bytes
from perceptbench.metrics.identity import weights_sha256
from perceptbench.reports.base import Table
from perceptbench.reports.inverted import ANOTHER, NOTHING, FoundImage, Inverted, table

JUDGES = ("lpips", "ssim", "lipsim")
MOST_STEPS = 100_000
MOST_TV = 1e5
_BATCH = 4


@dataclass(frozen=True)
class Inversion:
    """What `pb.invert` found.

    Args:
        images: z (n, 3, h, w) in [0, 1], by (metric, start).
        shown: the same as plain data, with x, the residuals, and what other metrics say.
        record: all that decided it.
    """

    images: dict[tuple[str, str], Images]
    shown: Inverted
    record: dict[str, Any]

    @property
    def table(self) -> Table:
        """Residuals and how like x z is to other metrics, means over the images."""
        return table(self.shown)

    def save(self, to: Any) -> list[Path]:
        """Write `inversion.html` and `.md`, sheets, `inversion.csv`, `record.json` and every z as PNG; give the paths.

        Files come into the folder when all are written. Raises UserError where it cannot be written to.
        """
        return write(self.shown, self.record, path_of(to, "to"))


def invert(
    metric: Any,
    images: Any,
    *,
    judge: Any = JUDGES,
    start: Any = STARTS,
    steps: int = 200,
    tv: float = 2.0,
    seed: int = 0,
    device: str = "auto",
) -> Inversion:
    """Find images that metrics can hardly tell from given ones, from what the metrics keep of these alone.

    For an embedding g it lowers `|g(z) - g(x)|^2`, for a metric of features its own distance, as a share of that of
    grey, plus `tv` times the mean absolute difference of neighbouring pixels; by Adam (attacks/inversion.py).

    Args:
        metric: what `pb.metric` takes, or a list of these; each has an embedding or features.
        images: what is inverted: paths, PIL images, tensors or arrays of one size.
        judge: metrics that say how like x z is; one that is inverted does not judge itself.
        start: "grey", "noise" or both.
        steps: of Adam.
        tv: weight of the total variation.
        seed: of the noise. With the image alone it decides what is drawn, whatever other images there are.

    Raises UserError for a metric without embedding and features or without a gradient, a name that stands twice, an
    unknown start, a number out of its bounds, and what is no image.

    Example:
        >>> found = pb.invert("lipsim", ["a.png", "b.png"], steps=50, judge="ssim")
        >>> found.images["lipsim", "grey"].shape
        torch.Size([2, 3, 224, 224])
    """
    searches, where = _searches(start, steps, tv, seed), Device(device).resolve()
    made, judges = _metrics(metric, "metric"), _metrics(judge, "judge")
    for one in made:
        require_inverse(one.inner, one.name)
    x = taken(images).images.detach()
    names, digests = _names(images, len(x)), [hashlib.sha256(tensor_bytes(one)).hexdigest() for one in x]
    found: dict[tuple[str, str], Images] = {}
    residual: dict[tuple[str, str], PerImage] = {}
    with evaluated(*made, *judges, frozen=True):
        for one in made:
            one.inner.to(where)
            for search in searches:
                key = one.name, search.start
                found[key], residual[key] = _in_batches(one, x, search, Noise.make(seed, digests, "inversion"), where)
        shown = _shown(x, names, found, residual, judges, searches[0], where)
    record = {
        "schema": 1,
        "metrics": [{"name": printable(one.name), "weights": weights_sha256(one.inner)} for one in made],
        "judges": [{"name": printable(one.name), "weights": weights_sha256(one.inner)} for one in judges],
        "images": [{"name": name, "sha256": digest} for name, digest in zip(names, digests, strict=True)],
        "size": list(x.shape[-2:]),
        "searches": [asdict(search) for search in searches],
        "provenance": provenance(where, seed),
    }
    return Inversion(found, shown, record)


def _metrics(given: Any, word: str) -> list[MetricModule]:
    """What was given as metrics, each once. Raises UserError where a name stands twice."""
    made = [metric_of(one) for one in (given if isinstance(given, list | tuple) else [given])]
    names = [one.name for one in made]
    if not made or len(set(names)) < len(names):
        raise UserError(f"{word} wants one name or several different ones, got {', '.join(names) or 'none'}")
    return made


def _searches(start: Any, steps: int, tv: float, seed: int) -> list[InverseSearch]:
    starts = [start] if isinstance(start, str) else list(start)
    if not starts or not set(starts) <= set(STARTS) or len(set(starts)) < len(starts):
        raise UserError(f"start wants {' or '.join(STARTS)}, each once, got {', '.join(map(str, starts)) or 'none'}")
    for name, value, least, most in (("steps", steps, 1, MOST_STEPS), ("seed", seed, 0, MOST_SEED)):
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise UserError(f"{name} wants a whole number from {least} to {most}, got {brief(value)}")
    weight = number_of(tv, "tv")
    if not 0 <= weight <= MOST_TV:
        raise UserError(f"tv wants a number from 0 to {MOST_TV:g}, got {weight:g}")
    return [InverseSearch(start=one, steps=steps, tv=weight) for one in starts]


def _names(images: Any, n: int) -> list[str]:
    """The names of files where images are files, else numbers."""
    listed = images if isinstance(images, list | tuple) else [images]
    if len(listed) == n and all(isinstance(one, str | os.PathLike) for one in listed):
        return [printable(path_of(one, "image").name) for one in listed]
    return [f"image {i + 1}" for i in range(n)]


def _in_batches(
    metric: MetricModule, x: Images, search: InverseSearch, noise: Noise, where: str
) -> tuple[Images, PerImage]:
    parts = []
    label = f"{printable(metric.name)} from {search.start}"
    for start in track(range(0, len(x), _BATCH), label, console=Console(stderr=True), transient=True):
        rows = torch.arange(start, min(start + _BATCH, len(x)))
        found = searched(metric.inner, x[rows].to(where), search, noise.select(rows))
        parts.append((found.images.cpu(), found.residual.cpu()))
    images, residuals = zip(*parts, strict=True)
    return torch.cat(images), torch.cat(residuals)


def _shown(
    x: Images, names: Sequence[str], found: dict[tuple[str, str], Images], residual: dict[tuple[str, str], PerImage],
    judges: Sequence[MetricModule], search: InverseSearch, where: str,
) -> Inverted:  # fmt: skip
    """What was found as plain data, judged."""
    others = {NOTHING: torch.full_like(x, GREY)} | ({ANOTHER: x.roll(1, 0)} if len(x) > 1 else {})
    for one in judges:
        one.inner.to(where)
    likeness = {key: _judged(judges, x, z, where) for key, z in found.items()}
    images = [
        FoundImage(
            image=i,
            metric=printable(metric),
            start=start,
            pixels=as_pixels(z[i]),
            residual=float(residual[metric, start][i]),
            likeness={judge: values[i] for judge, values in likeness[metric, start].items()},
        )
        for (metric, start), z in found.items()
        for i in range(len(x))
    ]
    opening = (
        "Each image z was found from what the metric keeps of x alone: its embedding, or its features. It started from "
        f"grey or from noise and took {search.steps} steps of Adam, with total variation (weight {search.tv:g}) as all "
        "that is assumed of pictures.",
    )
    return Inverted(
        names=names,
        originals=[as_pixels(one) for one in x],
        found=images,
        judges=[printable(one.name) for one in judges],
        by={name: _judged(judges, x, other, where) for name, other in others.items()},
        opening=opening,
    )


def _judged(judges: Sequence[MetricModule], x: Images, z: Tensor, where: str) -> dict[str, list[float]]:
    """Distances from x to z by each judge, a number an image."""
    said: dict[str, list[float]] = {printable(one.name): [] for one in judges}
    with torch.no_grad():
        for one in judges:
            for start in range(0, len(x), _BATCH):
                rows = slice(start, start + _BATCH)
                said[printable(one.name)] += one.inner(x[rows].to(where), z[rows].to(where)).tolist()
    return said
