"""Cells of tables as words of the page, and what its script sorts them by."""

from itertools import pairwise

from perceptbench.reports.base import Table
from perceptbench.reports.cell import Cell, Number, Value

EMPTY = "–"  # noqa: RUF001 - the sign a reader expects in an empty cell


def is_numeric(value: Value) -> bool:
    """Whether a cell is set to the right: a number, or nothing."""
    return not isinstance(value, str)


def heading_column(table: Table) -> int:
    """The column that names the rows: the first of words; a rank before it names nothing."""
    columns = range(len(table.columns))
    return next((i for i in columns if table.rows and all(isinstance(row[i], str) for row in table.rows)), 0)


def bodies(table: Table) -> list[tuple[tuple[Value, ...], ...]]:
    """Rows between the rules of a table: kinds that sorting must not mix."""
    ends = [0, *(rule for rule in table.rules if 0 < rule < len(table.rows)), len(table.rows)]
    return [table.rows[start:end] for start, end in pairwise(ends)]


def number(value: Value) -> str:
    """A cell without its interval; a dash for nothing."""
    if value is None:
        return EMPTY
    return f"{value.words[0]}{value.mark}" if isinstance(value, Cell) else str(value)


def interval(cell: Cell) -> str:
    """`[59.9, 81.4]`"""
    _, low, high = cell.words
    return f"[{low}, {high}]"


def sort_key(value: Value) -> str:
    """All digits of a number, a word as it is, nothing for an empty cell."""
    if value is None:
        return ""
    return repr(value.value) if isinstance(value, Cell | Number) else str(value)
