"""The opening of a report: one sentence of results a data set, task and threat, and what eps means."""

from collections.abc import Sequence

from perceptbench.reports.cell import FLAGGED, doubts_of
from perceptbench.reports.doubts import doubt_notes
from perceptbench.reports.newest import by_data, by_goal, by_task, by_threat, newest_first
from perceptbench.reports.tables.bounds import bounds
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, labels, score_name, sizes_of, threat_label, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.rows import Row
from perceptbench.results.tasks.base import task_name

EPS_MEANING = (
    "eps is the largest change of the reference image that is allowed, measured as the {norms} norm over all pixels "
    "and channels of a {sizes} image with values in [0, 1]; left and right stay as they are."
)

SHOWN = 4
"""Metrics in a sentence; the table has all of them."""


def opening(records: Sequence[Record]) -> list[str]:
    """The headline sentences, what the data sets are, then what eps means."""
    names = labels(record.spec["metric"] for record in newest_first(records))
    sentences = []
    for _, label, runs in by_data(records):
        for task, same in by_task(runs):
            found = (
                _sentence(label, task, threat, mine, names)
                for threat, every in by_threat(same)
                for mine in by_goal(every)
            )
            sentences += [sentence for sentence in found if sentence]
    notes = [(label, r.facts["note"]) for _, label, mine in by_data(records) for r in mine if r.facts.get("note")]
    about = [f"{label}: {note}." for label, note in dict.fromkeys(notes)]
    marked = any(FLAGGED in sentence for sentence in sentences)
    attacked = [bound.attacked for bound in bounds(records).values() if bound.attacked and marked]
    doubts = [doubt for row in attacked for doubt in doubts_of(row)]
    return [*sentences, *doubt_notes(doubts), *about, *_eps_meaning(records)]


def _eps_meaning(records: Sequence[Record]) -> list[str]:
    triplets = [record for record in records if task_name(record.task) in TRIPLET_TASKS]
    asked = [record for record in records if record.spec["attack"] or record.spec["certifier"]]
    others = [record for record in asked if task_name(record.task) not in TRIPLET_TASKS]
    norms = sorted({threat_label(record.norm) for record in triplets if record.norm})
    sizes = " or ".join(f"{size} x 3" for size in sizes_of(record.spec["data"] for record in triplets))
    meaning = [EPS_MEANING.format(norms=" or ".join(norms), sizes=sizes)] if norms else []
    units = sorted({(record.task, record.threat, record.eps_unit) for record in others})
    return [
        *meaning,
        *unit_notes(triplets),
        *(f"{task}: eps is the size of a change by {threat}, {unit}." for task, threat, unit in units),
    ]


def _sentence(data: str, task: str, threat: str, records: Sequence[Record], names: dict[str, str]) -> str | None:
    """The highest scores at the largest eps that was attacked, on the largest number of triplets."""
    found = [(eps, bound, bound.attacked) for (*_, eps), bound in bounds(records).items() if bound.attacked]
    if not found:
        return None
    largest = max(eps for eps, *_ in found)
    most = max(bound.case.n for eps, bound, _ in found if eps == largest)
    last = [(bound, attacked) for eps, bound, attacked in found if eps == largest and bound.case.n == most]
    words, first = [], last[0][1]
    smaller = first.better == "smaller"
    for bound, attacked in sorted(last, key=lambda pair: pair[1].score * (1 if smaller else -1))[:SHOWN]:
        limit = "at most" if smaller else "at least"
        promise = f", {limit} {bound.proved.score:.1f} whatever the attack" if bound.proved else ""
        words.append(
            f"{names[bound.case.metric]} {_from(bound.natural)}{attacked.score:.1f}"
            f"{FLAGGED * bool(attacked.flags)} [{attacked.low:.1f}, {attacked.high:.1f}] (n = {attacked.n}{promise})"
        )
    rest = "leaderboard" if task == "preference" else "tables"
    what = f"{first.measure}, {task}," if first.measure else score_name(task)
    when = "" if first.measure else "without an attack and "
    return (
        f"{what} on {data} in percent, {when}at {threat_label(threat)} "
        f"eps {eps_text(largest)}: "
        + "; ".join(words)
        + (f"; {len(last) - SHOWN} more in the {rest}." if len(last) > SHOWN else ".")
    )


def _from(natural: Row) -> str:
    """The clean score that an attacked one is compared with; a rate of attacks has none."""
    return "" if natural.measure else f"from {natural.score:.1f} to "
