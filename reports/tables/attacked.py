"""What attacks left of the scores, over eps: Tables 1 and 3 of the LipSim paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.newest import by_data
from perceptbench.reports.tables.lines import INTERVAL_NOTE, UNIT_NOTE, beside, measured, score_table
from perceptbench.reports.wording import NORMS, file_stem
from perceptbench.results.record import Record

_FORM = {"l2": "Table 1", "linf": "Table 3"}
APGD_NOTE = "What the paper calls AutoAttack was APGD-CE alone; the attack of that name here is apgd-ce."


@report("attacked", source="arXiv:2310.18274 (LipSim), Tables 1 and 3")
@dataclass(frozen=True, slots=True)
class Attacked:
    """2AFC scores after each attack, one line a metric and attack, one column an eps."""

    place: ClassVar[int] = 5

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set and norm that was attacked."""
        tables = []
        for norm, paper in _FORM.items():
            for data, label, mine in by_data(records):
                lines = measured(mine, "attack", norm)
                if not lines:
                    continue
                others, notes = beside(norm, data, norm)
                form = f"The form of {paper} of the LipSim paper (arXiv:2310.18274)."
                title = f"2AFC score after {NORMS[norm]} attacks on {label}, percent"
                said = [f"{UNIT_NOTE} {INTERVAL_NOTE} {form}", *(f"{note} {APGD_NOTE}" for note in notes)]
                tables.append(
                    score_table(title, f"attacked_{norm}_{file_stem(label)}", "attack", [*lines, *others], said)
                )
        return tables
