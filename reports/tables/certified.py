"""What is proved, over eps: Table 2 of the LipSim paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.newest import by_data, by_task, by_threat
from perceptbench.reports.tables.lines import beside, interval_note, measured, score_table, unit_note
from perceptbench.reports.wording import score_name, table_stem, threat_label
from perceptbench.results.record import Record


@report("certified", source="arXiv:2310.18274 (LipSim), Table 2")
@dataclass(frozen=True, slots=True)
class Certified:
    """Certified scores, one line a metric and certifier, one column an eps."""

    place: ClassVar[int] = 6
    tasks: ClassVar[tuple[str, ...] | None] = None

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a task, threat and data set with certificates; those that promise nothing are marked."""
        found = ((task, threat, same) for task, mine in by_task(records) for threat, same in by_threat(mine))
        tables = (_table(task, threat, *one) for task, threat, same in found for one in by_data(same))
        return [table for table in tables if table is not None]


def _table(task: str, threat: str, data: str, label: str, records: Sequence[Record]) -> Table | None:
    """None where nothing was certified."""
    others, remarks = beside("certified", data, threat) if task == "preference" else ([], [])
    lines = measured(records, "certificate", threat, also=sorted({eps for line in others for eps in line.at}))
    if not lines:
        return None
    what = "Triplets" if task == "preference" else "Samples"
    form = "The form of Table 2 of the LipSim paper (arXiv:2310.18274)." if others else ""
    said = f"{what} whose certified radius is larger than eps. {unit_note(records)} {interval_note(task)} {form}"
    title = f"Certified {score_name(task)}, {threat_label(threat)}, on {label}, percent"
    stem = table_stem("certified", task, threat, label)
    return score_table(title, stem, "certifier", [*lines, *others], [said.strip(), *remarks])
