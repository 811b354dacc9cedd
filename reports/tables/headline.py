"""The opening of a report: one sentence of results a data set, task and threat, and what eps means."""

from collections.abc import Sequence

from perceptbench.reports.base import FLAGGED, doubts_of
from perceptbench.reports.doubts import doubt_notes
from perceptbench.reports.newest import by_data, by_task, by_threat, newest_rows
from perceptbench.reports.tables.bounds import bounds
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, labels, score_name, threat_label, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.rows import Row
from perceptbench.results.tasks.base import task_name

EPS_MEANING = (
    "eps is the largest change of the reference image that is allowed, measured as the {norms} norm over all pixels "
    "and channels of a 224 x 224 x 3 image with values in [0, 1]; left and right stay as they are."
)

SHOWN = 4
"""Metrics in a sentence; the table has all of them."""


def opening(records: Sequence[Record]) -> list[str]:
    """The headline sentences, what the data sets are, then what eps means."""
    rows = [row for row in newest_rows(records) if row.unit == "percent"]
    names = labels(row.metric for row in rows)
    sentences = []
    for data, label, runs in by_data(records):
        for task, same in by_task(runs):
            mine = [row for row in rows if (row.data, row.task) == (data, task)]
            found = (_sentence(label, task, threat, mine, names) for threat, _ in by_threat(same))
            sentences += [sentence for sentence in found if sentence]
    notes = [(label, r.facts["note"]) for _, label, mine in by_data(records) for r in mine if r.facts.get("note")]
    about = [f"{label}: {note}." for label, note in dict.fromkeys(notes)]
    marked = any(FLAGGED in sentence for sentence in sentences)
    doubts = [doubt for row in rows if row.kind == "attack" and marked for doubt in doubts_of(row)]
    return [*sentences, *doubt_notes(doubts), *about, *_eps_meaning(records)]


def _eps_meaning(records: Sequence[Record]) -> list[str]:
    triplets = [record for record in records if task_name(record.task) in TRIPLET_TASKS]
    others = [record for record in records if task_name(record.task) not in TRIPLET_TASKS]
    norms = sorted({threat_label(record.norm) for record in triplets if record.norm})
    meaning = [EPS_MEANING.format(norms=" or ".join(norms))] if norms else []
    units = sorted({(record.task, record.threat, record.eps_unit) for record in others})
    return [
        *meaning,
        *unit_notes(triplets),
        *(f"{task}: eps is the size of a change by {threat}, {unit}." for task, threat, unit in units),
    ]


def _sentence(data: str, task: str, threat: str, rows: Sequence[Row], names: dict[str, str]) -> str | None:
    """The highest scores at the largest eps that was attacked, on the largest number of triplets."""
    natural = {(row.metric, row.n): row for row in rows if row.kind == "natural" and not row.options}
    found = [(key[:2], key[3], *pair) for key, pair in bounds(rows).items() if key[2] == threat and pair[1] is not None]
    if not found:
        return None
    largest = max(eps for _, eps, _, _ in found)
    most = max(line[1] for line, eps, _, attacked in found if eps == largest and attacked is not None)
    last = [
        (line, proved, attacked)
        for line, eps, proved, attacked in found
        if eps == largest and line[1] == most and attacked is not None
    ]
    words = []
    for line, proved, attacked in sorted(last, key=lambda item: -item[2].score)[:SHOWN]:
        promise = f", at least {proved.score:.1f} whatever the attack" if proved else ""
        words.append(
            f"{names[line[0]]} from {natural[line].score:.1f} to {attacked.score:.1f}{FLAGGED * bool(attacked.flags)} "
            f"[{attacked.low:.1f}, {attacked.high:.1f}] (n = {line[1]}{promise})"
        )
    rest = "leaderboard" if task == "preference" else "tables"
    return (
        f"{score_name(task)} on {data} in percent, without an attack and at {threat_label(threat)} "
        f"eps {eps_text(largest)}: "
        + "; ".join(words)
        + (f"; {len(last) - SHOWN} more in the {rest}." if len(last) > SHOWN else ".")
    )
