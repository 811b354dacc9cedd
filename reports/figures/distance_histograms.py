"""How far an attack moves an image from itself, as metrics see it: the distribution of d(x, x + delta)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from perceptbench.reports.axes import Density, Distribution
from perceptbench.reports.base import Chart, report
from perceptbench.reports.newest import by_data, styles
from perceptbench.reports.wording import distinct, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.rows import default_question

MOST_BINS = 100
"""As in the figures of the paper; fewer where there are few images."""
_SMOOTH_POINTS = 200

NOTE = (
    "Each metric attacked by its own gradient; within a panel the same images. Metrics share axes where their "
    "distance is the cosine distance of an embedding; others have scales of their own. Lines: Gaussian kernel "
    "estimates with Scott's bandwidth, left out where values fill hardly more than one bin."
)

_Question = tuple[str, str, float, str]
"""method, threat, eps, and the scale that metrics share"""
_Images = frozenset[str]


@report("drift", source="arXiv:2310.18274 (LipSim), figures 3b and 6")
@dataclass(frozen=True, slots=True)
class DriftHistograms:
    """Histograms of d(x, x + delta) at the largest eps, of runs that push identical images apart."""

    place: ClassVar[int] = 5
    tasks: ClassVar[tuple[str, ...] | None] = ("drift",)

    def __call__(self, records: Sequence[Record]) -> list[Chart]:
        """One chart a data set with such runs."""
        pushed = [record for record in records if pushes(record) and default_question(record)]
        looks, sets = styles(records), by_data(pushed)
        names = distinct([f"drift_{file_stem(label)}" for _, label, _ in sets])
        charts = []
        for (_, label, mine), name in zip(sets, names, strict=True):
            panels = tuple(_panel(question, label, looks, asked) for question, asked in _questions(mine))
            charts.append(
                Chart(
                    f"Distance of attacked images from themselves on {label}", name, panels, (NOTE, *unit_notes(mine))
                )
            )
        return charts


def pushes(record: Record) -> bool:
    """Whether a run moved images as far from themselves as it could."""
    return record.facts.get("unit") == "distance" and record.spec.get("goal", "push") == "push"


def _questions(records: Sequence[Record]) -> list[tuple[_Question, list[Record]]]:
    """Runs that may share axes, on the same images; of two runs of one metric the newer.

    A smaller set of images stands beside a larger one only where it has a metric that the larger one lacks.
    """
    found: dict[_Question, dict[_Images, dict[str, Record]]] = {}
    for record in records:
        spec = record.spec
        scale = "" if record.facts.get("cosine") else spec["metric"]
        sets = found.setdefault((spec["attack"], record.threat, max(spec["eps"]), scale), {})
        sets.setdefault(frozenset(record.samples["id"]), {}).setdefault(spec["metric"], record)
    asked = []
    for question, sets in sorted(found.items()):
        shown: set[str] = set()
        for images in sorted(sets, key=len, reverse=True):
            if not sets[images].keys() <= shown:
                asked.append((question, list(sets[images].values())))
                shown |= sets[images].keys()
    return asked


def _panel(
    question: _Question, data: str, looks: dict[str, tuple[str, int]], records: Sequence[Record]
) -> Distribution:
    method, threat, eps, _ = question
    values = {r.spec["metric"]: _drift(r, eps) for r in sorted(records, key=lambda r: looks[r.spec["metric"]])}
    edges = _edges(np.concatenate(list(values.values())))
    densities = tuple(_density(*looks[metric], drift, edges) for metric, drift in values.items())
    return Distribution(
        title=f"{data}, {labels([method])[method]}, {threat_label(threat)} eps {eps_text(eps)} (n = {densities[0].n})",
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
