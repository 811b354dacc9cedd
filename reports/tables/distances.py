"""How far attacks moved distances, where no answer was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.newest import by_data
from perceptbench.reports.tables.lines import UNIT_NOTE, measured, score_table
from perceptbench.reports.wording import NORMS, file_stem
from perceptbench.results.record import Record

DISTANCE_NOTE = (
    "Mean d(x, x + delta): how far an attacker moves an image from itself; "
    "with --goal pull mean d(x + delta, y): how near to another one. Natural: mean d(x, y) of different images. "
    "Each metric has its own scale, so compare along a line, not down a column; psnr is in -dB. "
    "Brackets: 95 % interval of the mean over n images."
)


@report("distances", source="arXiv:2310.18274 (LipSim), section 4.2")
@dataclass(frozen=True, slots=True)
class Distances:
    """Mean distance under attack, one line a metric and attack, one column an eps."""

    place: ClassVar[int] = 8

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set and norm where attacks moved distances instead of answers."""
        tables = []
        for norm, words in NORMS.items():
            for _, label, mine in by_data(records):
                lines = measured(mine, "attack", norm, unit="distance")
                if lines:
                    title = f"Distance under {words} attacks on {label}"
                    name = f"distances_{norm}_{file_stem(label)}"
                    tables.append(score_table(title, name, "attack", lines, [f"{DISTANCE_NOTE} {UNIT_NOTE}"]))
        return tables
