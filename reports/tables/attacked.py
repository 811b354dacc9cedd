"""What attacks left of the scores, over eps: Tables 1 and 3 of the LipSim paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.newest import by_data, by_task, by_threat
from perceptbench.reports.tables.lines import beside, interval_note, measured, score_table, unit_note
from perceptbench.reports.wording import score_name, table_stem, threat_label
from perceptbench.results.record import Record

_FORM = {"l2": "Table 1", "linf": "Table 3"}
APGD_NOTE = "What the paper calls AutoAttack was APGD-CE alone; the attack of that name here is apgd-ce."


@report("attacked", source="arXiv:2310.18274 (LipSim), Tables 1 and 3")
@dataclass(frozen=True, slots=True)
class Attacked:
    """Scores after each attack, one line a metric and attack, one column an eps."""

    place: ClassVar[int] = 5
    tasks: ClassVar[tuple[str, ...] | None] = None

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a task, threat and data set that was attacked."""
        found = ((task, threat, same) for task, mine in by_task(records) for threat, same in by_threat(mine))
        tables = (_table(task, threat, *one) for task, threat, same in found for one in by_data(same))
        return [table for table in tables if table is not None]


def _table(task: str, threat: str, data: str, label: str, records: Sequence[Record]) -> Table | None:
    """None where no attack left a score."""
    lines = measured(records, "attack", threat)
    if not lines:
        return None
    others, remarks = beside(threat, data, threat) if task == "preference" else ([], [])
    title = f"{score_name(task)} after {threat_label(threat)} attacks on {label}, percent"
    form = f"The form of {_FORM[threat]} of the LipSim paper (arXiv:2310.18274)." if threat in _FORM else ""
    first = f"{unit_note(records)} {interval_note(task)} {form if task == 'preference' else ''}".strip()
    notes = [first, *(f"{remark} {APGD_NOTE}" for remark in remarks)]
    return score_table(title, table_stem("attacked", task, threat, label), "attack", [*lines, *others], notes)
