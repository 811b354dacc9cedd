"""How far attacks moved distances, where no answer was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.newest import by_data, by_task, by_threat
from perceptbench.reports.tables.lines import interval_note, measured, score_table, unit_note
from perceptbench.reports.wording import table_stem, threat_label
from perceptbench.results.record import Record

DISTANCE_NOTE = (
    "Mean d(x, x + delta): how far an attacker moves an image from itself; "
    "with --goal pull mean d(x + delta, y): how near to another one. Natural: mean d(x, y) of different images. "
    "Each metric has its own scale, so compare along a line, not down a column; psnr is in -dB. "
    "Brackets: 95 % interval of the mean over n images."
)

OTHER_NOTE = "Mean distance. Each metric has its own scale, so compare along a line, not down a column."


@report("distances", source="arXiv:2310.18274 (LipSim), section 4.2")
@dataclass(frozen=True, slots=True)
class Distances:
    """Mean distance under attack, one line a metric and attack, one column an eps."""

    place: ClassVar[int] = 8
    tasks: ClassVar[tuple[str, ...] | None] = None

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a task, threat and data set where attacks moved distances instead of answers."""
        found = ((task, threat, same) for task, mine in by_task(records) for threat, same in by_threat(mine))
        tables = (_table(task, threat, label, mine) for task, threat, same in found for _, label, mine in by_data(same))
        return [table for table in tables if table is not None]


def _table(task: str, threat: str, label: str, records: Sequence[Record]) -> Table | None:
    """None where no attack moved a distance."""
    lines = measured(records, "attack", threat, unit="distance")
    if not lines:
        return None
    note = DISTANCE_NOTE if task == "drift" else f"{OTHER_NOTE} {interval_note(task)}"
    what = "Distance" if task == "drift" else f"Distance, {task},"
    title = f"{what} under {threat_label(threat)} attacks on {label}"
    return score_table(
        title, table_stem("distances", task, threat, label), "attack", lines, [f"{note} {unit_note(records)}"]
    )
