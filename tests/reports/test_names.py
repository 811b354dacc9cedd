"""Names that mean something to a program that shows them: they stand in every format as they were typed."""

import csv
import io
from html import unescape

import pytest

from perceptbench.reports.axes import Bars, Curve, Density, Distribution, Dots, Panel, Scatter
from perceptbench.reports.base import Chart, Sheet
from perceptbench.reports.cell import Cell
from perceptbench.reports.drawing.legible import legible
from perceptbench.reports.formats.png_pdf import FORMS, drawn, save
from perceptbench.reports.write import write_report

NAMES = (
    "py:cost_$$_v2.py:Mine", "py:$x_{2}$.py:Mine", r"py:\frac{a}.py:Mine", "py:100%.py:Mine", "_hidden",
    "py:a|b*c`d.py:Mine", "</script><script>alert", "py:caf\xe9.py:Mine", "=1+1",
)  # fmt: skip
CHINESE = "py:\u4e2d\u6587.py:Mine"


def cell(value: float) -> Cell:
    return Cell(value, value - 5, value + 5, 20)


def charts(name: str) -> list[Chart]:
    other = "b"
    points = (((0.5, cell(60)), (1.0, cell(50))), ((0.5, cell(40)), (1.0, cell(30))))
    curves = tuple(Curve(one, False, at, i) for i, (one, at) in enumerate(zip((name, other), points, strict=True)))
    densities = tuple(Density(one, i, (0.0, 1.0), (100.0,), (), 0.5, 4) for i, one in enumerate((name, other)))
    panels = (
        Bars(name, name, (name, other), (name, other), ((cell(80), cell(30)), (cell(60), None))),
        Panel(name, name, curves),
        Distribution(name, name, densities),
        Scatter(name, name, name, (Dots(name, 0, ((1.0, 2.0),)), Dots(other, 1, ((0.2, 0.3),)))),
    )
    return [Chart(name, "chart", (panel,)) for panel in panels]


@pytest.mark.parametrize("name", [*NAMES, CHINESE])
def test_figures_show_a_name_as_it_was_typed(name: str, tmp_path) -> None:
    """Warnings are errors here: of signs without a shape, and of names that a legend leaves out."""
    for number, chart in enumerate(charts(name)):
        for form in FORMS:
            save(chart, tmp_path / f"{number}.{form}", form)
        axis = drawn(chart).axes[0]
        assert axis.get_title(loc="left") == legible(name)
    assert legible(CHINESE) == "py:U+4E2DU+6587.py:Mine"
    assert legible(NAMES) == NAMES


def test_a_legend_leaves_no_name_out() -> None:
    for chart in charts("_hidden"):
        figure = drawn(chart)
        legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes if axis.get_legend())]
        words = {text.get_text() for one in (*legends, *figure.axes) for text in getattr(one, "texts", [])}
        assert any("_hidden" in word for word in words), type(chart.panels[0])


def test_sheets_show_captions_as_they_are(tmp_path) -> None:
    sheet = Sheet("$$", "sheet", ("$$", CHINESE), ((None, None),))
    save(sheet, tmp_path / "sheet.png", "png")


def test_every_format_shows_them(make_record, tmp_path) -> None:
    records = [
        make_record(metric=name, run=f"{i:012x}", data="csv:$_{d}.csv", certifier=None)
        for i, name in enumerate([*NAMES, CHINESE])
    ]
    write_report(records, tmp_path, ("md", "latex", "html", "csv"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert all(name in unescape(page) for name in NAMES)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "rows.csv").read_text(encoding="utf-8"))))
    assert {row["metric"].removeprefix("'") for row in rows} == {*NAMES, CHINESE}
    tex = "".join(path.read_text(encoding="ascii") for path in tmp_path.rglob("*.tex"))
    assert "$$" not in tex
    assert r"cost\_\$\$\_v2.py" in tex.replace(r"\allowbreak{}", "")
