"""Score tables over eps: one line a metric and method, measured lines above published ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from perceptbench.reports.base import Table
from perceptbench.reports.cell import MARKS, Cell, Value
from perceptbench.reports.newest import newest_first
from perceptbench.reports.tables.literature import Fact, facts_for, remarks
from perceptbench.reports.wording import NO_PROOF, TRIPLET_TASKS, eps_text, labels, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.rows import Row, reaches, rows_of
from perceptbench.results.tasks.preference import certified_row

MEASURED = "measured"
PUBLISHED_NOTE = (
    "Published lines are copied, not measured: other triplets, other attacks and often other weights, so they stand "
    "beside the measured ones and are not compared with them."
)
UNIT_NOTE = "eps: norm of the change over all pixels and channels, images in [0, 1]."


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """Scores of one metric under one method."""

    metric: str
    n: int | None
    method: str
    natural: Value
    at: Mapping[float, Value]
    """By eps."""
    source: str = MEASURED
    mixed: str = ""
    """What differs between the runs behind the line, where something does that no column shows."""


def measured(
    records: Sequence[Record], kind: str, threat: str, unit: str = "percent", also: Sequence[float] = ()
) -> list[ScoreLine]:
    """Lines of runs on one data set: larger n first, then the higher natural score.

    What two runs of the same question say is taken from the newer one; seeds are told apart where there are several.
    `also` are further eps at which certificates of 2AFC answers count, whose radii hold for every eps.
    """
    found: dict[tuple[str, int, str, object], tuple[Row | None, dict[float, Value], dict[str, Record]]] = {}
    for record in newest_first(records):
        # Scores that have a name of their own stand in tables of their task.
        rows = [row for row in rows_of(record) if row.unit == unit and not row.measure]
        natural = next((row for row in rows if row.kind == "natural"), None)
        more = (row for eps in also if (row := certified_row(record, eps)))
        mine = [row for row in (*rows, *more) if row.kind == kind and row.threat == threat]
        for row in mine:
            if row.eps is not None:
                key = row.metric, row.n, row.method or "", record.spec.get("seed")
                _, at, runs = found.setdefault(key, (natural, {}, {}))
                if row.eps not in at:
                    at[row.eps] = Cell.of(row)
                    runs[record.run] = record
        if kind == "certificate" and mine:
            at.update({eps: NO_PROOF for eps in record.spec["eps"] if eps not in at and not reaches(record, eps)})
    names, methods = labels(key[0] for key in found), labels(key[2] for key in found)
    seeds = {key[3] for key in found}
    lines = []
    for (metric, n, method, seed), (natural, at, runs) in found.items():
        score = Cell.of(natural) if natural else None
        words = _method(methods[method], seed, seeds)
        lines.append((natural, ScoreLine(names[metric], n, words, score, at, mixed=_mixed(list(runs.values()), kind))))
    lines.sort(key=lambda pair: (-(pair[1].n or 0), -(pair[0].score if pair[0] else 0), pair[1].metric, pair[1].method))
    return [line for _, line in lines]


def published(found: Iterable[Fact], threat: str) -> list[ScoreLine]:
    """Lines of published numbers, in the order of their sources."""
    natural: dict[tuple[str, str], Value] = {}
    scores: dict[tuple[str, str, int | None, str], dict[float, Value]] = {}
    for fact in found:
        if fact.kind == "natural":
            natural[fact.source, fact.name] = fact.score
        elif fact.eps is not None and fact.norm == threat:
            scores.setdefault((fact.source, fact.name, fact.n, fact.method), {})[fact.eps] = fact.score
    return [
        ScoreLine(name, n, method, natural.get((source, name)), at, f"published: {source}")
        for (source, name, n, method), at in scores.items()
    ]


def interval_note(task: str) -> str:
    """What brackets hold, in a table of scores of one task."""
    return f"Brackets: 95 % interval over n {'triplets' if task in TRIPLET_TASKS else 'samples'}."


def unit_note(records: Sequence[Record]) -> str:
    """What eps is measured in, for runs of one threat."""
    return " ".join(unit_notes(records[:1])) or UNIT_NOTE


def score_table(title: str, name: str, method: str, lines: Sequence[ScoreLine], notes: Sequence[str]) -> Table:
    """Lines under each other: metric, n, method, natural, then a column an eps; published lines below a rule."""
    eps = sorted({at for line in lines for at in line.at})
    ours = [line for line in lines if line.source == MEASURED]
    sourced = len(ours) < len(lines)
    natural = any(line.natural is not None for line in lines)
    marks = {cell.mark for line in lines for cell in line.at.values() if isinstance(cell, Cell)}
    columns = ("metric", "n", method, *(["natural"] if natural else []), *(f"eps {eps_text(at)}" for at in eps))
    return Table(
        title=title,
        columns=(*columns, *(["source"] if sourced else [])),
        rows=tuple(
            (
                line.metric, line.n, line.method, *([line.natural] if natural else []), *map(line.at.get, eps),
                *([line.source] if sourced else []),
            )
            for line in lines
        ),
        notes=(
            *notes,
            *(f"{line.metric}, {line.method}, n = {line.n}: {line.mixed}" for line in lines if line.mixed),
            *(f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in marks),
        ),
        name=name,
        rules=(len(ours),) if sourced else (),
    )  # fmt: skip


def beside(table: str, data: str, threat: str) -> tuple[list[ScoreLine], list[str]]:
    """Published lines for a table of scores on a data set, and what must be said with them."""
    found = facts_for(table, data)
    lines = published(found, threat)
    return lines, [f"{PUBLISHED_NOTE} {remarks(found)}"] if lines else []


def _mixed(runs: Sequence[Record], kind: str) -> str:
    """A sentence on arguments or code that changed between the runs of a line; empty where nothing did."""
    part = {"attack": "attack", "certificate": "certifier"}[kind]
    pairs = list(combinations(runs, 2))
    found = {
        "arguments": any(_arguments(a, part) != _arguments(b, part) for a, b in pairs),
        "code": any(_code_changed(a, b) for a, b in pairs),
    }
    differ = " and ".join(word for word, differs in found.items() if differs)
    names = ", ".join(sorted(record.run for record in runs))
    return f"these numbers come from runs of different {differ} ({names})." if differ else ""


def _code_changed(record: Record, other: Record) -> bool:
    """Whether code changed between two runs; with other components it differs anyway, and says nothing."""
    one, two = record.spec, other.spec
    comparable = all(one[key] == two[key] for key in ("metric", "data", "attack", "certifier"))
    return comparable and _code(record) != _code(other)


def _code(record: Record) -> dict[str, str]:
    """Fingerprints of everything but the data and the weights."""
    prints = record.spec.get("fingerprints", {})
    return {key: value for key, value in prints.items() if key not in ("data", "weights", "libraries", "torch")}


def _arguments(record: Record, part: str) -> object:
    return record.spec.get("arguments", {}).get(part)


def _method(method: str, seed: object, seeds: set[object]) -> str:
    return f"{method}, seed {seed}" if len(seeds) > 1 else method
