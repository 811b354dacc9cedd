"""Success against queries: what share of the right answers a search without gradients has turned after so many."""

from collections.abc import Sequence

import numpy as np

from perceptbench.results.record import OF_QUERIES, Record
from perceptbench.results.references import references
from perceptbench.results.statistics.estimates import Estimate, score

MOST_POINTS = 24


def counts_queries(record: Record) -> bool:
    """Whether a run says at which query each sample was first broken."""
    return set(OF_QUERIES) <= set(record.samples)


def success(record: Record, eps: float) -> list[tuple[float, Estimate]]:
    """(queries, share of the samples answered right that were broken by then), from 0 to the most that were spent.

    Of many numbers of queries some are taken, spread evenly over the successes. Intervals (95 %, over references) are
    about each point by itself. Empty where nothing was answered right.
    """
    samples = record.samples[record.samples["eps"] == eps]
    right = samples[samples["correct"]]
    if len(right) == 0:
        return []
    asked, names = right["queries"].to_numpy(dtype=float), references(record, right["id"]).tolist()
    return [(at, score((asked <= at).astype(float), names)) for at in _places(asked, right["forwards"].to_numpy())]


def _places(asked: np.ndarray, spent: np.ndarray) -> Sequence[float]:
    """0, numbers of queries at which a sample was broken, and the most that any sample was asked."""
    found = np.unique(asked[np.isfinite(asked)])
    kept = np.unique(np.linspace(0, len(found) - 1, min(MOST_POINTS, len(found))).round().astype(int))
    last = max(float(spent.max()), float(found[-1]) if len(found) else 0.0)
    return sorted({0.0, *found[kept].tolist(), last})
