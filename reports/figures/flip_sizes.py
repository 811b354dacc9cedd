"""The smallest flip an attack found against the radius inside which there is none, triplet by triplet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from perceptbench.reports.axes import Dots, Scatter
from perceptbench.reports.base import Chart, report
from perceptbench.reports.newest import by_data, by_threat, styles
from perceptbench.reports.wording import TRIPLET_TASKS, distinct, file_stem, threat_label, unit_notes
from perceptbench.results.ledger import Ledger
from perceptbench.results.record import Record
from perceptbench.results.rows import options_of
from perceptbench.results.worst_case import WorstCase

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
        looks, sets = styles(records), by_data(records)
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


def _panel(threat: str, data: str, looks: dict[str, tuple[str, int]], records: Sequence[Record]) -> Scatter:
    dots, most = [], _most(records)
    for metric, (label, style) in looks.items():
        if metric in most and (one := _dots(label, style, most[metric])) is not None:
            dots.append(one)
    n = sum(len(one.points) + len(one.open) for one in dots)
    words = threat_label(threat)
    return Scatter(f"{data} ({n} markers)", f"certified radius, {words}", f"smallest flip found, {words}", tuple(dots))


def _most(records: Sequence[Record]) -> dict[str, WorstCase]:
    """Of each metric the worst case with a proof on the most triplets.

    Rounded images have other flips and other radii than the images as they are.
    """
    cases = [case for case in Ledger(records).cases if case.runs and case.certificates and not options_of(case.newest)]
    return {case.metric: case for case in sorted(cases, key=lambda case: case.n)}


def _dots(metric: str, style: int, case: WorstCase) -> Dots | None:
    """The smallest flip and the largest radius of each triplet that is answered rightly."""
    largest = max(eps for eps in case.budgets if case.met(eps))
    right = case.left(largest).samples["correct"].to_numpy()
    radius, flip = case.proofs.to_numpy()[right], case.smallest.to_numpy()[right]
    flipped = np.isfinite(flip)
    stood = radius[~flipped & (radius <= largest)]
    points = sorted(zip(radius[flipped].tolist(), flip[flipped].tolist(), strict=True))
    made = Dots(metric, style, tuple(points), tuple((one, largest) for one in sorted(stood.tolist())))
    return made if made.points or made.open else None
