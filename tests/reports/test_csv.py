"""CSV that a pipeline reads back exactly, and that a spreadsheet does not compute."""

import csv
import io

import pytest

from perceptbench.reports.base import Document, Table
from perceptbench.reports.cell import Cell, Number
from perceptbench.reports.formats import csv as csv_files
from perceptbench.reports.formats.csv import harmless, long_form


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_line_a_number_with_full_precision() -> None:
    third = 100 / 3
    table = Table(
        "t",
        ("metric", "n", "natural", "gap"),
        (("a", 3, Cell(third, 1.5, 2.5, 3, mark="\u2020"), Number(0.1 + 0.2)), ("b", 4, None, Number(2.0))),
    )
    lines = _read(long_form(table))
    assert [(line["metric"], line["n"], line["quantity"], float(line["value"])) for line in lines] == [
        ("a", "3", "natural", third), ("a", "3", "gap", 0.1 + 0.2), ("b", "4", "gap", 2.0),
    ]  # fmt: skip
    first = lines[0]
    assert (first["low"], first["high"], first["triplets"], first["unit"], first["mark"]) == (
        "1.5", "2.5", "3", "percent", "\u2020",
    )  # fmt: skip


@pytest.mark.parametrize("word", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n-x", " =1", "\uff1d1"])
def test_no_word_is_a_formula(word: str) -> None:
    assert str(harmless(word)).startswith("'")
    table = Table("t", (word, "x"), ((word, Number(-1.0)),))
    assert all(not value.startswith(("=", "+", "@")) for line in _read(long_form(table)) for value in line)
    assert _read(long_form(table))[0]["value"] == "-1.0"


def test_every_row_every_run_and_every_published_number_is_there(make_record) -> None:
    record = make_record('a,"b"\nc', eps=(1.0, 2.0))
    details = Table("Run x", ("what", "value"), (("metric", "a"), ("eps", "1, 2")), name="run_x", prose=True)
    made = csv_files.files(Document("t", (), (details,), (record,)))
    assert list(made) == ["rows.csv", "runs.csv", "published.csv"]
    rows = _read(made["rows.csv"])
    assert [(row["kind"], row["eps"]) for row in rows] == [
        ("natural", ""), ("attack", "1.0"), ("attack", "2.0"), ("certificate", "1.0"), ("certificate", "2.0"),
    ]  # fmt: skip
    assert {row["metric"] for row in rows} == {'a,"b" c'}
    assert float(rows[1]["score"]) == 100 * record.samples.loc[record.samples["eps"] == 1, "robust"].mean()
    assert _read(made["runs.csv"])[1] == {"run": "x", "what": "eps", "value": "1, 2"}
    published = _read(made["published.csv"])
    assert len(published) == 274
    assert {"source", "reference", "score"} <= set(published[0])
