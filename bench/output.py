"""What a run prints at its end: one JSON object, or tables by data set and task, and sentences that explain them."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from perceptbench.bench.answers import answers
from perceptbench.core.plain_json import json_line
from perceptbench.reports.cell import FLAGGED, doubts_of
from perceptbench.reports.doubts import doubt_notes
from perceptbench.reports.wording import NO_PROOF, TRIPLET_TASKS, score_name, sizes_of
from perceptbench.results.record import Record
from perceptbench.results.rows import Row
from perceptbench.results.statistics.estimates import radius_gain

_WIDTH = 118
_JSON_SCHEMA = 1
"""The schema of the object on standard output. New keys are optional, so it is still 1."""


def console(least: int = _WIDTH) -> Console:
    """Standard output; wide enough for the tables even in a pipe or a narrow window."""
    made = Console(file=answers(), highlight=False, markup=False, emoji=False)
    return (
        made
        if made.width >= least
        else Console(file=answers(), highlight=False, markup=False, emoji=False, width=least)
    )


def as_json(rows: Sequence[Row]) -> str:
    """One JSON object, as docs/records.md describes it."""
    return json_line({"schema": _JSON_SCHEMA, "rows": [row.to_dict() for row in rows]})


def print_tables(rows: Sequence[Row], out: Console) -> None:
    """One table a data set and task: a line for each metric, method and eps; scores with their intervals."""
    for data, task in dict.fromkeys((row.data, _table_of(row.task)) for row in rows):
        mine = [row for row in rows if (row.data, _table_of(row.task)) == (data, task)]
        what = f"{score_name(task)}, %" if any(row.unit == "percent" for row in mine) else "mean distance"
        balls = all(row.norm for row in mine if row.threat)
        table = Table(title=f"{data}: {what} [95 % interval]", caption=_caption(mine))
        for name in ("metric", "attack", "norm" if balls else "threat", "eps", "n", "natural", "attacked", "certified"):
            table.add_column(name, justify="left" if name in ("metric", "attack") else "right", overflow="fold")
        for metric in dict.fromkeys(row.metric for row in mine):
            for line in _lines([row for row in mine if row.metric == metric]):
                table.add_row(*line)
            table.add_section()
        out.print(table)


def _table_of(task: str) -> str:
    """Tasks on triplets share a table, since the natural score of each is the 2AFC score."""
    return TRIPLET_TASKS[0] if task in TRIPLET_TASKS else task


def _caption(rows: Sequence[Row]) -> str:
    """The unit of eps."""
    others = {row.threat: row.eps_unit for row in rows if row.threat and row.norm is None}
    norm = f"norm over all pixels and channels, images in [0, 1] at {' or '.join(sizes_of(row.data for row in rows))}"
    units = [*([norm] if any(row.norm for row in rows) or not others else [])]
    units += [f"of {threat}: {unit}" for threat, unit in others.items()]
    bound = "no attack within eps gets past it" if any(row.measure for row in rows) else "proved lower bound"
    return f"eps: {'; '.join(units)}; certified: {bound}"


def plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table of words and numbers for a terminal."""
    table = Table(title=title)
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i < 3 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    return table


def _lines(rows: Sequence[Row]) -> list[list[str]]:
    """The lines of one metric; repeated cells are left blank."""
    naturals = [row for row in rows if row.kind == "natural"]
    natural = naturals[0]
    lines: list[list[str]] = []
    keys = dict.fromkeys((r.threat, r.eps) for r in rows if r.kind != "natural")
    for threat, eps in keys:
        here = [row for row in rows if (row.threat, row.eps) == (threat, eps)]
        attacks = [row for row in here if row.kind == "attack"]
        proofs = [row for row in here if row.kind == "certificate"]
        for i in range(max(len(attacks), len(proofs))):
            attacked = attacks[i] if i < len(attacks) else None
            proof = proofs[i] if i < len(proofs) else None
            lines.append([
                "", attacked.method or "" if attacked else "", threat or "", f"{eps:.4g}",
                "", "",
                _score(attacked) if attacked else "",
                _proof(proof, many=len(proofs) > 1) if proof else _unproved(attacked),
            ])  # fmt: skip
    # Clean scores stand in lines of their own column, however many there are.
    lines += [[""] * 8 for _ in naturals[len(lines) :]]
    for line, row in zip(lines, naturals, strict=False):
        line[5] = _score(row)
    lines[0][0], lines[0][4] = natural.metric, str(natural.n)
    return lines


def _unproved(attacked: Row | None) -> str:
    """What stands in place of a certified score: for a threat that is no lp ball, that there is none."""
    return NO_PROOF if attacked and not attacked.norm else ""


def _proof(row: Row, *, many: bool) -> str:
    name = f"{row.method}: " if many or row.method != "margin" else ""
    return name + _score(row) + ("" if row.sound else " smoothed" if row.likely else " not sound")


def _score(row: Row) -> str:
    mark = FLAGGED if row.flags else ""
    if row.measure:
        return f"{row.measure} {row.score:.1f} [{row.low:.1f}, {row.high:.1f}] of {row.n}{mark}"
    if row.unit == "distance":
        return f"mean distance {row.score:.4f} [{row.low:.4f}, {row.high:.4f}]{mark}"
    return f"{row.score:.1f} [{row.low:.1f}, {row.high:.1f}]{mark}"


_MOVED = {
    "--eps-left": "the reference, and the other two images within budgets of their own,",
    "--move left": "the left image",
    "--move right": "the right image",
    "--move all": "all three images",
}


def _moved(row: Row) -> str:
    """The images that the attack may change, in words."""
    default = "the reference" if row.task == "preference" else "what moves"
    return next((words for option, words in _MOVED.items() if option in row.options), default)


def _size(row: Row) -> str:
    return f"{row.norm} {row.eps:.3g}" if row.norm else f"{row.threat} {row.eps:.3g} ({row.eps_unit})"


def explain(rows: Sequence[Row]) -> list[str]:
    """One sentence a metric that says what its numbers mean at the largest eps."""
    sentences = []
    for name, data, task in dict.fromkeys((row.metric, row.data, row.task) for row in rows):
        subject = (name, data, task)
        mine = [row for row in rows if (row.metric, row.data, row.task) == subject and row.unit == "percent"]
        natural = next((row for row in mine if row.kind == "natural"), None)
        attacked = max((r for r in mine if r.kind == "attack"), key=_worst, default=None)
        if natural is None or attacked is None:
            continue
        proved = next((r for r in mine if r.kind == "certificate" and r.sound and _same(r, attacked)), None)
        promise = _promise(proved) if proved else ""
        head = f"{name} gives the expected answer on {natural.score:.0f} % of the triplets of {data}, and on"
        if task != "preference":
            head = f"{name} on {data}: {natural.measure or score_name(task)} {natural.score:.0f} %, and"
            head += f" {attacked.measure}" * bool(attacked.measure)
        left = f"{attacked.score:.0f} %{FLAGGED * bool(attacked.flags)}"
        sentences.append(
            f"{head} {left} once {attacked.method} may change {_moved(attacked)} by {_size(attacked)}{promise}."
        )
    return sentences


def _promise(proved: Row) -> str:
    """What a certified row says in words; a bound that everything keeps to proves nothing."""
    above = proved.better == "smaller"
    if proved.score == (100 if above else 0):
        return "; nothing is proved against such changes"
    return f", and it is proved that no such change pushes it {'above' if above else 'below'} {proved.score:.0f} %"


def gains(records: Sequence[Record]) -> list[str]:
    """How much larger the radii of the first certifier are than those of each other one, on the same triplets."""
    sentences = []
    for first in records:
        for other in records:
            same = all(first.spec[key] == other.spec[key] for key in ("metric", "data", "limit", "seed"))
            if not same or first.spec["certifier"] != records[0].spec["certifier"] or first is other:
                continue
            found = radius_gain(first.samples, other.samples)
            if found is None:
                continue
            median, n = found
            sentences.append(
                f"{first.spec['metric']} on {first.spec['data']}: radii of {first.spec['certifier']} are "
                f"{median:.3g} times those of {other.spec['certifier']} (median, n = {n} triplets certified by both)."
            )
    return sentences


def proved_sizes(records: Sequence[Record]) -> list[str]:
    """How far certificates reach under each threat that is no lp ball: they may end below the least eps asked for."""
    sentences = []
    for record in records:
        if record.spec["certifier"] and record.norm is None and record.facts.get("sound"):
            radii = record.samples.drop_duplicates("id")["radius"]
            sentences.append(
                f"{record.spec['metric']} on {record.spec['data']}: certified radii under {record.threat} have the "
                f"median {radii.median():.3g} and end at {radii.max():.3g} ({record.eps_unit}), n = {len(radii)}."
            )
    return list(dict.fromkeys(sentences))


def footnotes(rows: Sequence[Row]) -> list[str]:
    """What the daggers mean, the parts of the attacks, the promise of certificates that are not sound, and the notes
    of the data sets."""
    made_of = {row.method: row.parts for row in rows if row.parts}
    said = {row.data: row.note for row in rows if row.note}
    promised = {row.method: row.promise for row in rows if row.kind == "certificate" and not row.sound}
    words = [f"{name} = {text}" for name, text in (*made_of.items(), *promised.items(), *said.items())]
    left_out = {(row.metric, row.data, row.left_out) for row in rows if row.left_out}
    words += [
        f"{metric} does not answer for the images of {count} samples of {data}, which are in none of its scores"
        for metric, data, count in sorted(left_out)
    ]
    return [*doubt_notes(doubt for row in rows for doubt in doubts_of(row)), *words]


def _worst(row: Row) -> tuple[float, float]:
    """Orders attack rows: by eps, then by what is worse for the metric."""
    return row.eps or 0, row.score if row.better == "smaller" else -row.score


def _same(one: Row, other: Row) -> bool:
    return (one.threat, one.eps, one.options) == (other.threat, other.eps, other.options)
