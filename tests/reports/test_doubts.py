"""A raised flag marks the numbers it speaks against, in every table and format, and says what was seen."""

import csv
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from perceptbench.bench.output import as_json, footnotes, print_tables
from perceptbench.reports.base import Table
from perceptbench.reports.cell import FLAGGED, Cell
from perceptbench.reports.doubts import with_doubts
from perceptbench.reports.tables.attacked import Attacked
from perceptbench.reports.tables.bounds import Sandwich
from perceptbench.reports.tables.leaderboard import Leaderboard
from perceptbench.reports.tables.natural import Natural
from perceptbench.reports.tables.summary import Summary
from perceptbench.reports.write import write_report
from perceptbench.results.record import Record
from perceptbench.results.rows import table_rows

SEEN = "100 % of the gradients are zero"


def flagged(record: Record, *marks: str) -> Record:
    one = {"flag": "zero-gradient", "measured": 1.0, "threshold": 0.1, "sentence": SEEN, "marks": list(marks)}
    return replace(record, facts={**record.facts, "flags": [one], "flags_measured": {"zero-gradient": 1.0}})


@pytest.fixture
def records(make_record) -> list[Record]:
    """One metric with a flag, and one without."""
    return [
        flagged(make_record("lipsim", run="a" * 12), "attack"),
        make_record("ssim", run="b" * 12, certifier=None, flip=1),
    ]


def marked(table: Table) -> set[tuple[str, str]]:
    """(metric, column) of the numbers with a dagger."""
    at = table.columns.index("metric")
    return {
        (row[at], column)
        for row in table.rows
        for column, value in zip(table.columns, row, strict=True)
        if isinstance(value, Cell) and FLAGGED in value.mark
    }


def test_only_the_numbers_it_speaks_against_are_marked(records, make_record) -> None:
    (board,) = Leaderboard()(records)
    assert marked(board) == {("lipsim", "attacked")}
    (attacked,) = Attacked()(records)
    assert marked(attacked) == {("lipsim", f"eps {eps}") for eps in ("0.5", "1", "2", "3")}
    (bounds,) = Sandwich()(records)
    assert marked(bounds) == {("lipsim", "at most"), ("lipsim", "gap")}
    (summary,) = Summary()(records)
    assert marked(summary) == {("lipsim", "area")}
    (natural,) = Natural()(records)
    assert marked(natural) == set()
    (natural,) = Natural()([flagged(make_record(), "natural", "attack")])
    assert marked(natural) == {("lipsim", "overall")}
    for table in (board, attacked, bounds, summary):
        notes = [note for note in with_doubts(table).notes if note.startswith(FLAGGED)]
        assert notes == [f"{FLAGGED} lipsim, l2-aa: {SEEN} (zero-gradient); see docs/flags.md."]
    assert with_doubts(Natural()(records)[0]) == Natural()(records)[0]


def test_every_format_prints_the_mark_and_the_sentence(records, tmp_path) -> None:
    write_report(records, tmp_path, ("md", "latex", "html", "csv"))
    page = (tmp_path / "report.md").read_text()
    assert "]† |" in page
    assert page.count(f"† lipsim, l2-aa: {SEEN}") >= 4
    assert "lipsim from" in page.partition("##")[0]
    assert "† [" in page.partition("##")[0]
    latex = (tmp_path / "tables" / "leaderboard_l2_photos_64.tex").read_text()
    assert latex.count(r"\textsuperscript{\textdagger{}}") == 1
    assert r"\textdagger{} lipsim, l2-aa: 100 \% of the gradients are zero" in latex
    html = (tmp_path / "report.html").read_text()
    assert f"† lipsim, l2-aa: {SEEN}" in html
    with (tmp_path / "tables" / "leaderboard_l2_photos_64.csv").open() as stream:
        marks = {(row["metric"], row["quantity"]): row["mark"] for row in csv.DictReader(stream)}
    assert marks[("lipsim", "attacked")] == "†"
    assert marks[("ssim", "attacked")] == ""
    with (tmp_path / "rows.csv").open() as stream:
        flags = {(row["metric"], row["kind"]): row["flags"] for row in csv.DictReader(stream)}
    assert flags[("lipsim", "attack")] == f"zero-gradient: {SEEN}"
    assert flags[("lipsim", "natural")] == flags[("ssim", "attack")] == ""


def test_the_terminal_and_json_say_it_too(records) -> None:
    rows = table_rows(records)
    console = Console(width=140, file=(shown := io.StringIO()))
    print_tables(rows, console)
    assert shown.getvalue().count("]†") == 4
    assert footnotes(rows)[0] == f"† lipsim, l2-aa: {SEEN} (zero-gradient); see docs/flags.md."
    told = {(row["metric"], row["kind"]): row["flags"] for row in json.loads(as_json(rows))["rows"]}
    one = {"flag": "zero-gradient", "measured": 1.0, "threshold": 0.1, "sentence": SEEN}
    assert told[("lipsim", "attack")] == [one]
    assert told[("lipsim", "certificate")] == []


def test_a_record_from_before_the_flags_is_unmarked(make_record) -> None:
    assert all(row.flags == () for row in table_rows([make_record()]))
