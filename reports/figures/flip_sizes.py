"""The smallest flip an attack found against the radius inside which there is none, triplet by triplet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from perceptbench.reports.base import Chart, Dots, Scatter, report
from perceptbench.reports.newest import by_data, by_threat, styles
from perceptbench.reports.wording import TRIPLET_TASKS, distinct, file_stem, threat_label, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.rows import default_question

NOTE = (
    "One marker a triplet that the metric answers rightly, with its certified radius. Hollow: not flipped up to the "
    "largest eps of the runs, so its smallest flip lies above. Triplets with a radius beyond that eps are left out. "
    "Attacks within a given eps use it up, so their flips gather there; those for the smallest flip do not."
)


@report("flip-sizes", source="docs/certificates.md, section 8")
@dataclass(frozen=True, slots=True)
class FlipSizes:
    """Size of the smallest flip against certified radius: points below the diagonal would disprove the certificate."""

    place: ClassVar[int] = 6
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Chart]:
        """One chart a data set with runs that have an attack and a sound certificate."""
        both = [record for record in records if _bounded(record)]
        looks, sets = styles(records), by_data(both)
        names = distinct([f"flip_sizes_{file_stem(label)}" for _, label, _ in sets])
        charts = []
        for (_, label, mine), name in zip(sets, names, strict=True):
            panels = [_panel(threat, label, looks, same) for threat, same in by_threat(mine)]
            shown = tuple(panel for panel in panels if panel.dots)
            if shown:
                charts.append(
                    Chart(f"Smallest flip and certified radius on {label}", name, shown, (NOTE, *unit_notes(mine)))
                )
        return charts


def _bounded(record: Record) -> bool:
    spec = record.spec
    asked = spec["attack"] and spec["certifier"] and record.facts.get("sound") and spec["eps"]
    # Rounded images and the paper's protocol have other flips and other radii than the images as they are.
    return bool(asked) and default_question(record) and record.facts.get("unit") != "distance"


def _panel(threat: str, data: str, looks: dict[str, tuple[str, int]], records: Sequence[Record]) -> Scatter:
    dots = []
    for metric, (label, style) in looks.items():
        mine = [r for r in records if r.spec["metric"] == metric]
        if mine and (one := _dots(label, style, mine)) is not None:
            dots.append(one)
    n = sum(len(one.points) + len(one.open) for one in dots)
    words = threat_label(threat)
    return Scatter(f"{data} ({n} markers)", f"certified radius, {words}", f"smallest flip found, {words}", tuple(dots))


def _dots(metric: str, style: int, records: Sequence[Record]) -> Dots | None:
    """The smallest flip and the largest radius over all runs of a metric, by triplet."""
    frames = []
    for record in records:
        last = record.samples[record.samples["eps"] == max(record.spec["eps"])]
        broken = last["correct"] & ~last["robust"]
        size = np.where(broken, last["size"], np.inf)
        frames.append(last.assign(flip=size, most=max(record.spec["eps"]))[last["correct"]])
    best = pd.concat(frames).groupby("id").agg({"radius": "max", "flip": "min", "most": "max"})
    flipped = best["flip"] < np.inf
    stood = ~flipped & (best["radius"] <= best["most"])
    points = zip(best["radius"][flipped], best["flip"][flipped], strict=True)
    above = zip(best["radius"][stood], best["most"][stood], strict=True)
    made = Dots(metric, style, tuple(sorted(points)), tuple(sorted(above)))
    return made if made.points or made.open else None
