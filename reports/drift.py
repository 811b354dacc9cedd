"""How far an attack moves an image from itself, as metrics see it: the distribution of d(x, x + delta)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reports.base import Chart, Density, Distribution, report
from reports.current import by_data, styles
from reports.wording import NORMS, distinct, eps_text, file_stem, labels
from results.record import Record

MOST_BINS = 100
"""As in the figures of the paper; fewer where there are few images."""
_SMOOTH_POINTS = 200

NOTE = (
    "Each metric attacked by its own gradient; the same images. Metrics share axes where their distance is the "
    "cosine distance of an embedding; others have scales of their own. Lines: Gaussian kernel estimates with Scott's "
    "bandwidth, left out where values fill hardly more than one bin."
)

_Question = tuple[str, str, float, str]
"""method, norm, eps, and the scale that metrics share"""


@report("drift", source="arXiv:2310.18274 (LipSim), figures 3b and 6")
@dataclass(frozen=True, slots=True)
class Drift:
    """Histograms of d(x, x + delta) at the largest eps, of runs that push identical images apart."""

    place: ClassVar[int] = 5

    def __call__(self, records: Sequence[Record]) -> list[Chart]:
        """One chart a data set with such runs."""
        pushed = [r for r in records if r.facts.get("unit") == "distance" and r.spec.get("goal", "push") == "push"]
        looks, sets = styles(records), by_data(pushed)
        names = distinct([f"drift_{file_stem(label)}" for _, label, _ in sets])
        charts = []
        for (_, label, mine), name in zip(sets, names, strict=True):
            panels = tuple(
                _panel(question, label, looks, asked) for question, asked in sorted(_questions(mine).items())
            )
            charts.append(Chart(f"Distance of attacked images from themselves on {label}", name, panels, (NOTE,)))
        return charts


def _questions(records: Sequence[Record]) -> dict[_Question, list[Record]]:
    """Runs that may share axes; of two runs of one metric the newer."""
    found: dict[_Question, list[Record]] = {}
    for record in records:
        spec = record.spec
        scale = "" if record.facts.get("cosine") else spec["metric"]
        asked = found.setdefault((spec["attack"], spec["norm"], max(spec["eps"]), scale), [])
        if all(other.spec["metric"] != spec["metric"] for other in asked):
            asked.append(record)
    return found


def _panel(
    question: _Question, data: str, looks: dict[str, tuple[str, int]], records: Sequence[Record]
) -> Distribution:
    method, norm, eps, _ = question
    values = {r.spec["metric"]: _drift(r, eps) for r in sorted(records, key=lambda r: looks[r.spec["metric"]])}
    edges = _edges(np.concatenate(list(values.values())))
    densities = tuple(_density(*looks[metric], drift, edges) for metric, drift in values.items())
    counts = sorted({one.n for one in densities})
    return Distribution(
        title=f"{data}, {labels([method])[method]}, {NORMS.get(norm, norm)} eps {eps_text(eps)} "
        f"(n = {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))})",
        x_label="d(x, x + delta)",
        densities=densities,
    )


def _drift(record: Record, eps: float) -> np.ndarray:
    samples = record.samples
    return samples.loc[samples["eps"] == eps, "d_self"].to_numpy()


def _edges(values: np.ndarray) -> np.ndarray:
    """Of bins from 0 (or the smallest, where a distance has no zero) to the largest value."""
    low, high = min(0.0, float(values.min())), float(values.max())
    if high <= low:
        high = low + 1.0
    wished = len(np.histogram_bin_edges(values, "sqrt")) - 1
    return np.linspace(low, high, min(MOST_BINS, max(10, 2 * wished)) + 1)


def _density(metric: str, style: int, values: np.ndarray, edges: np.ndarray) -> Density:
    counts, _ = np.histogram(values, edges)
    return Density(
        metric=metric,
        style=style,
        edges=tuple(edges.tolist()),
        heights=tuple((100 * counts / len(values)).tolist()),
        smooth=_smooth(values, edges),
        mean=float(values.mean()),
        n=len(values),
    )


def _smooth(values: np.ndarray, edges: np.ndarray) -> tuple[tuple[float, float], ...]:
    from scipy import stats

    width = edges[1] - edges[0]
    if len(values) < 3 or values.std() < width:
        return ()
    at = np.linspace(edges[0], edges[-1], _SMOOTH_POINTS)
    heights = 100 * width * stats.gaussian_kde(values)(at)
    return tuple(zip(at.tolist(), heights.tolist(), strict=True))
