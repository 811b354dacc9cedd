"""The table of the study: a line for each entry, data set and question asked of it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.study.grid import BASELINE, StudyEntry, chosen
from benchmarks.study.measure import EPS
from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically
from perceptbench.core.ref import Ref
from perceptbench.reports.wording import eps_text
from perceptbench.results.rows import Row

HELD_OUT = "held out"
COLUMNS = ("entry", "question", "data", "kind", "eps", "n", "score", "low", "high", "parameters", "seconds", "budget")


def names(data: Sequence[str]) -> set[str]:
    """How data sets are called in the table: without their paths. Raises UserError for two of one name."""
    found = [Ref.parse(text).name for text in data]
    twice = [name for name in found if found.count(name) > 1]
    if twice:
        raise UserError(f"the study wants one data set of each kind, got {found.count(twice[0])} of {twice[0]}")
    return set(found)


def read(path: Path, budget: str) -> pd.DataFrame:
    """The lines so far, none where there is no file. Raises UserError for lines of another budget."""
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    table = load(path)
    others = set(table["budget"]) - {budget}
    if others:
        raise UserError(f"{path} is of {others.pop()}, asked for was {budget}; name another --to, or delete it")
    return table


def load(path: Path) -> pd.DataFrame:
    """A finished table. Raises UserError where it is missing or not one of ours."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"expected a table of the study at {path} ({error})") from error
    if tuple(table.columns) != COLUMNS:
        raise UserError(f"{path}: expected the columns {', '.join(COLUMNS)}, got {', '.join(table.columns)}")
    return table


def lines(entry: StudyEntry, rows: Iterable[Row], record: Mapping[str, Any], budget: str) -> pd.DataFrame:
    """The lines of one entry; scores in percent. Of held-out photographs without interval: triplets share them."""
    held_out = _held_out(entry, record["chosen"])
    made = [
        {
            "entry": entry.name,
            "question": entry.question,
            "data": Ref.parse(row.data).name,
            "kind": "natural" if row.kind == "natural" else "certified",
            "eps": row.eps,
            "n": row.n,
            **{name: round(getattr(row, name), 2) for name in ("score", "low", "high")},
            "parameters": record["parameters"],
            "seconds": round(record["seconds"]),
            "budget": budget,
        }
        for row in rows
    ]
    own = {"entry": entry.name, "question": entry.question, "data": HELD_OUT, "budget": budget}
    cost = {"parameters": record["parameters"], "seconds": round(record["seconds"])}
    made += [own | cost | {"kind": kind, "eps": eps, "score": round(score, 2)} for kind, eps, score in held_out]
    return pd.DataFrame(made, columns=list(COLUMNS))


def _held_out(entry: StudyEntry, scores: Mapping[str, Any]) -> list[tuple[str, float | None, float]]:
    """What the training itself measured, where teacher and views, and so the triplets, are those of the default."""
    if (entry.teacher, entry.views) != (chosen([BASELINE])[0].teacher, chosen([BASELINE])[0].views):
        return []
    keys = dict(zip(EPS, ("certified", "certified_1"), strict=True))
    return [("natural", None, scores["natural"]), *(("certified", eps, scores[key]) for eps, key in keys.items())]


def extended(path: Path, budget: str, more: pd.DataFrame) -> pd.DataFrame:
    """The table with these lines at its end, in the place of older ones of the same entries; the file is replaced."""
    kept = read(path, budget)
    parts = [part for part in (kept[~kept["entry"].isin(more["entry"])], more) if len(part)]
    table = pd.concat(parts, ignore_index=True)
    write_atomically(path, lambda part: table.to_csv(part, index=False))
    return table


def markdown(table: pd.DataFrame) -> str:
    """Tables with a line an entry: held-out scores and those of the first data set, then each other data set."""
    first, *others = (name for name in table["data"].unique() if name != HELD_OUT)
    return "\n\n".join(_grid(table[table["data"].isin(names)]) for names in ([HELD_OUT, first], *([o] for o in others)))


def _grid(table: pd.DataFrame) -> str:
    """Parameters, then each score with its 95 % interval."""
    scores = [tuple(key) for key in table[["data", "kind", "eps"]].drop_duplicates().itertuples(index=False)]
    heads = [f"{data}, {kind if pd.isna(eps) else f'{kind} {eps_text(eps)}'}" for data, kind, eps in scores]
    lines = [["question", "entry", "parameters, M", *heads]]
    for (question, entry), own in table.groupby(["question", "entry"], sort=False):
        cells = [_cell(own, key) for key in scores]
        lines.append([str(question), str(entry), f"{own['parameters'].iloc[0] / 1e6:.2f}", *cells])
    rule = ["---", "---", *["---:"] * (1 + len(scores))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:]))


def _cell(own: pd.DataFrame, key: tuple[str, str, float]) -> str:
    data, kind, eps = key
    same_eps = own["eps"].isna() if pd.isna(eps) else own["eps"] == eps
    found = own[(own["data"] == data) & (own["kind"] == kind) & same_eps]
    numbers = found[["score", "low", "high"]].astype(float).to_numpy().tolist()
    return " / ".join(f"{score:.1f}{_interval(low, high)}" for score, low, high in numbers) or "-"


def _interval(low: float, high: float) -> str:
    return "" if pd.isna(low) else f" [{low:.1f}, {high:.1f}]"
