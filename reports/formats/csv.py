"""Prints a report as CSV with full precision: every row, every table in long form, every published number."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields

from perceptbench.reports.base import Document, Table
from perceptbench.reports.cell import Cell, Number, Value
from perceptbench.reports.newest import newest_rows
from perceptbench.reports.tables.literature import Fact, facts
from perceptbench.reports.wording import distinct, file_stem
from perceptbench.results.rows import Row

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = ("quantity", "value", "low", "high", "triplets", "unit", "mark")


def files(document: Document) -> dict[str, str]:
    """`rows.csv` (one line a score), `tables/NAME.csv`, `runs.csv` (how each run was made) and `published.csv`.

    A table in long form has a line for each number, behind the words and whole numbers that say what it is of.
    """
    tables = [block for block in document.blocks if isinstance(block, Table)]
    numbers = [table for table in tables if not table.prose]
    stems = distinct([table.name or file_stem(table.title) for table in numbers])
    details = [(table.name.removeprefix("run_"), *row) for table in tables if table.prose for row in table.rows]
    return {
        "rows.csv": _written([f.name for f in fields(Row)], map(_row, _rows(document))),
        **{f"tables/{stem}.csv": long_form(table) for stem, table in zip(stems, numbers, strict=True)},
        "runs.csv": _written(("run", "what", "value"), details),
        "published.csv": _written([f.name for f in fields(Fact)], map(_fact, facts())),
    }


def _rows(document: Document) -> list[Row]:
    return newest_rows(document.records)


def _row(row: Row) -> list[object]:
    """The fields of a row; flags as their sentences."""
    plain = row.to_dict() | {"flags": "; ".join(f"{one.flag}: {one.sentence}" for one in row.flags)}
    return [plain[f.name] for f in fields(Row)]


def long_form(table: Table) -> str:
    """One line a number: the columns of words, then quantity, value, low, high, triplets, unit and mark."""
    named = [i for i in range(len(table.columns)) if not any(isinstance(row[i], Cell | Number) for row in table.rows)]
    lines = (
        ([row[i] for i in named], table.columns[i], row[i])
        for row in table.rows
        for i in range(len(table.columns))
        if i not in named and row[i] is not None
    )
    head = [*(table.columns[i] for i in named), *_NUMBER]
    return _written(head, ((*names, quantity, *_number(value)) for names, quantity, value in lines))


def _number(value: Value) -> tuple[object, ...]:
    if isinstance(value, Cell):
        return value.value, value.low, value.high, value.n, value.unit, value.mark
    return value.value if isinstance(value, Number) else value, None, None, None, None, None


def _fact(fact: Fact) -> list[object]:
    return [" ".join(fact.shown) if f.name == "shown" else getattr(fact, f.name) for f in fields(Fact)]


def _written(head: Sequence[str], lines: Iterable[Iterable[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(harmless, head))
    writer.writerows(map(harmless, line) for line in lines)
    return stream.getvalue()


def harmless(value: object) -> object:
    """Words on one line, and with a quote before what a spreadsheet would compute; numbers as they are."""
    if value is None or isinstance(value, bool | int | float):
        return value
    words = " ".join(str(value).split())
    return f"'{words}" if words.startswith(_FORMULA) else words
