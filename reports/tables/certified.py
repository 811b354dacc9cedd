"""What is proved, over eps: Table 2 of the LipSim paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.newest import by_data
from perceptbench.reports.tables.lines import INTERVAL_NOTE, UNIT_NOTE, beside, measured, score_table
from perceptbench.reports.wording import NORMS, file_stem
from perceptbench.results.record import Record


@report("certified", source="arXiv:2310.18274 (LipSim), Table 2")
@dataclass(frozen=True, slots=True)
class Certified:
    """Certified 2AFC scores, one line a metric and certifier, one column an eps."""

    place: ClassVar[int] = 6

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set and norm with certificates; those that promise nothing are marked."""
        tables = []
        for norm, words in NORMS.items():
            for data, label, mine in by_data(records):
                others, notes = beside("certified", data, norm)
                lines = measured(mine, "certificate", norm, also=sorted({eps for line in others for eps in line.at}))
                if not lines:
                    continue
                form = "The form of Table 2 of the LipSim paper (arXiv:2310.18274)." if others else ""
                said = f"Triplets whose certified radius is larger than eps. {UNIT_NOTE} {INTERVAL_NOTE} {form}"
                name = f"certified_{norm}_{file_stem(label)}"
                title = f"Certified 2AFC score, {words}, on {label}, percent"
                tables.append(score_table(title, name, "certifier", [*lines, *others], [said.strip(), *notes]))
        return tables
