"""The table of the study: a line for each entry, data set and question asked of it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.study.grid import Entry
from core.errors import UserError
from core.files import write_atomically
from core.spec import Ref
from results.rows import Row

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


def lines(entry: Entry, rows: Iterable[Row], record: Mapping[str, Any], budget: str) -> pd.DataFrame:
    """The lines of one entry; scores in percent."""
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
    return pd.DataFrame(made, columns=list(COLUMNS))


def extended(path: Path, budget: str, more: pd.DataFrame) -> pd.DataFrame:
    """The table with these lines at its end, in the place of older ones of the same entries; the file is replaced."""
    kept = read(path, budget)
    parts = [part for part in (kept[~kept["entry"].isin(more["entry"])], more) if len(part)]
    table = pd.concat(parts, ignore_index=True)
    write_atomically(path, lambda part: table.to_csv(part, index=False))
    return table
