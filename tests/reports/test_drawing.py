"""What is on the paper: positions and numbers of what was drawn, not pixels."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from perceptbench.reports.axes import Bars, Density, Distribution, Dots, EffortLine, Efforts, Scatter
from perceptbench.reports.base import Chart, Picture, Sheet
from perceptbench.reports.cell import Cell
from perceptbench.reports.drawing.sheet import wrapped
from perceptbench.reports.drawing.style import colour, ramp
from perceptbench.reports.formats.png_pdf import drawn, save


def cell(value: float) -> Cell:
    return Cell(value, value - 5, value + 5, 20)


BARS = Bars("t", "x", ("a", "b"), ("natural", "attacked"), ((cell(80), cell(30)), (cell(60), None)))
SCATTER = Scatter("t", "x", "y", (Dots("a", 0, ((1.0, 2.0), (0.5, 0.6)), ((1.5, 2.5),)), Dots("b", 1, ((0.2, 0.3),))))
SPREAD = Distribution(
    "t", "d",
    (
        Density("a", 0, (0.0, 1.0, 2.0), (25.0, 75.0), ((0.0, 10.0), (2.0, 90.0)), 1.25, 4),
        Density("b", 1, (0.0, 1.0, 2.0), (100.0, 0.0), (), 0.5, 4),
    ),
)  # fmt: skip
PIXELS = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
SHEET = Sheet("t", "sheet", ("one", "two"), ((Picture(PIXELS, "a caption"), None), (None, Picture(PIXELS, "b"))))


def axis_of(panel):
    return drawn(Chart("t", "name", (panel,))).axes[0]


def test_bars_have_their_lengths_and_the_first_group_is_on_top() -> None:
    axis = axis_of(BARS)
    lengths = {round(bar.get_y() + bar.get_height() / 2, 6): bar.get_width() for bar in axis.patches}
    assert lengths == {-0.2: 80, 0.2: 30, 0.8: 60}
    assert axis.get_ylim()[0] > axis.get_ylim()[1]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    assert [list(line.get_xdata()) for line in axis.lines] == [[75, 85], [55, 65], [25, 35]]
    assert sorted(text.get_text() for text in axis.texts if text.get_text()) == ["30.0", "60.0", "80.0"]


def test_points_stand_where_they_were_measured_and_hollow_where_more_is_not_known() -> None:
    axis = axis_of(SCATTER)
    lines = [line for line in axis.lines if line.get_linestyle() == "None" and len(line.get_xdata())]
    found = [(list(line.get_xdata()), list(line.get_ydata()), line.get_markerfacecolor()) for line in lines]
    assert found == [([1, 0.5], [2, 0.6], colour(0)), ([1.5], [2.5], "white"), ([0.2], [0.3], colour(1))]
    assert axis.get_xlim() == axis.get_ylim()
    assert axis.get_xlim()[1] > 2.5


def test_histograms_have_their_heights_and_their_lines() -> None:
    axis = axis_of(SPREAD)
    steps = [patch.get_data() for patch in axis.patches]
    assert [list(step.values) for step in steps] == [[25, 75], [100, 0]]
    assert all(list(step.edges) == [0, 1, 2] for step in steps)
    (line,) = axis.lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0, 2], [10, 90])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a, mean 1.25", "b, mean 0.5"]


def test_sheets_show_the_pixels_they_were_given() -> None:
    axes = drawn(SHEET).axes
    shown = [[np.asarray(image.get_array()) for image in axis.images] for axis in axes]
    assert [len(images) for images in shown] == [1, 0, 0, 1]
    np.testing.assert_array_equal(shown[0][0], PIXELS)
    assert [axis.get_title() for axis in axes] == ["one", "two", "", ""]
    assert [text.get_text() for axis in axes for text in axis.texts] == ["a caption", "b"]


@pytest.mark.parametrize("block", [*(Chart("t", "n", (p,)) for p in (BARS, SCATTER, SPREAD)), SHEET])
@pytest.mark.parametrize("form", ["png", "pdf"])
def test_the_same_block_gives_the_same_bytes(block, form, tmp_path) -> None:
    for name in ("one", "two"):
        save(block, tmp_path / name, form)
    content = (tmp_path / "one").read_bytes()
    assert content == (tmp_path / "two").read_bytes()
    assert content.startswith({"png": b"\x89PNG", "pdf": b"%PDF"}[form])
    assert b"CreationDate" not in content


def test_more_panels_than_two_begin_another_line() -> None:
    figure = drawn(Chart("t", "n", (SPREAD, SPREAD, SPREAD)))
    places = [axis.get_subplotspec().get_geometry()[:3] for axis in figure.axes]
    assert places == [(2, 2, 0), (2, 2, 1), (2, 2, 2), (2, 2, 3)]
    assert [axis.axison for axis in figure.axes] == [True, True, True, False]


def test_names_that_look_like_formulas_are_drawn_as_words(tmp_path) -> None:
    odd = "$\\frac{"
    panel = Bars(odd, odd, (odd,), (odd,), ((cell(50),),))
    scatter = Scatter(odd, odd, odd, (Dots(odd, 0, ((1.0, 2.0),)),))
    spread = Distribution(odd, odd, (Density(odd, 0, (0.0, 1.0), (100.0,), (), 0.5, 2),))
    sheet = Sheet(odd, "s", (odd,), ((Picture(PIXELS, odd),),))
    for block in (*(Chart(odd, "n", (one,)) for one in (panel, scatter, spread)), sheet):
        save(block, tmp_path / "a.png", "png")


def test_shades_of_bars_differ_in_grey() -> None:
    grey = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in ramp(4)]
    assert all(a - b > 0.08 for a, b in pairwise(grey))


@pytest.mark.parametrize(
    ("caption", "lines"),
    [
        ("d(x, y) = 0.003", ["d(x, y) = 0.003"]),
        (
            "reference of rotation-009-picosdeeuropa_by_aitzol_berasategi",
            ["reference of rotation-009-", "picosdeeuropa_by_aitzol_", "berasategi"],
        ),
        ("y" * 31, ["y" * 30, "y"]),
        ("", [""]),
    ],
)
def test_captions_break_behind_signs_and_lose_no_letter(caption: str, lines: list[str]) -> None:
    assert wrapped(caption).split("\n") == lines


def test_costs_on_a_logarithmic_axis_are_written_as_numbers():
    """Formulas are not read as such in a figure, and labels of logarithmic axes are formulas unless one says so."""
    line = EffortLine("fmn", 0, ((20.0, 110.0), (200.0, 0.01)))
    panel = Efforts("l2", "passes", "above the optimum, percent", (line,), ((20.0, 110.0), (200.0, 0.01)), 0.01)
    figure = drawn(Chart("c", "c", (panel,)))
    FigureCanvasAgg(figure).draw()
    words = [text.get_text() for text in figure.findobj(Text)]
    assert "100" in words
    assert not [one for one in words if "math" in one]
