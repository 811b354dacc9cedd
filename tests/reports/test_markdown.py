"""Markdown stays a table whatever the names in it are."""

import re

from hypothesis import given
from hypothesis import strategies as st

from perceptbench.reports.base import Table
from perceptbench.reports.cell import Cell, Number
from perceptbench.reports.formats import markdown

PIECES = ["a", "|", "\\", "\n", "\r", "`", "<b>", "](x)", "\u2028", " "]
HARD = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def _cells(line: str) -> int:
    """Cells of a line as GitHub counts them: a bar behind an odd number of backslashes is text."""
    bars = re.findall(r"(?<!\\)(?:\\\\)*\|", line)
    return len(bars) - 1


@given(st.lists(st.tuples(HARD, HARD, HARD), min_size=1, max_size=4), HARD)
def test_every_line_has_as_many_cells_as_the_head(rows: list[tuple[str, str, str]], title: str) -> None:
    printed = markdown.table(Table(title, ("x", "a|b", "y"), tuple(rows)))
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(rows)
    assert {_cells(line) for line in lines} == {3}


def test_how_cells_look() -> None:
    assert markdown.cell(Cell(71.875, 59.88, 81.43, 64)) == "71.9 [59.9, 81.4]"
    assert markdown.cell(Cell(71.875, 59.88, 81.43, 64, mark="†")) == "71.9 [59.9, 81.4]†"
    assert markdown.cell(Cell(0.0123456, 0.01, 0.02, 64, unit="distance")) == "0.01235 [0.01, 0.02]"
    assert (markdown.cell(None), markdown.cell(64), markdown.cell(Number(3.14))) == ("-", "64", "3.1")


def test_names_from_a_record_cannot_write_markup() -> None:
    assert markdown.text("[x](http://y) <script> a|b") == r"[x\](http://y) \<script\> a\|b"
