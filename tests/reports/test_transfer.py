"""The matrix of metrics: which runs stand in one, what a cell is, and how the map is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from perceptbench.reports.axes import HeatMap
from perceptbench.reports.base import Chart
from perceptbench.reports.cell import Cell
from perceptbench.reports.formats.html_chart import chart_data, panel_table
from perceptbench.reports.formats.png_pdf import drawn
from perceptbench.reports.tables.transfer_matrix import TransferMatrix
from perceptbench.results.record import Record
from perceptbench.results.transferred import lost_share, matrices

BY = {"by": "l2-apgd-ce", "momentum": 0.0, "diversity": 0.0}


def transferred(record: Record, source: str, **changes: object) -> Record:
    """A made-up run as if its images had been found on another metric."""
    arguments = {**record.spec["arguments"], "attack": {"source": source, **BY, **changes}}
    spec = {**record.spec, "attack": f"transfer(source={source})", "arguments": arguments}
    return replace(record, spec=spec, facts={**record.facts, "followed": source.split("+")})


@pytest.fixture
def runs(make_record) -> list[Record]:
    made = []
    for target, flip in (("lipsim", 5.0), ("psnr", 0.3)):
        for source, factor in (("lipsim", 0.5), ("psnr", 1.0), ("ssim+psnr", 0.8)):
            run = f"{len(made):012x}"
            made.append(transferred(make_record(target, run=run, flip=flip * factor, eps=(1.0, 2.0)), source))
    return made


def test_a_cell_is_the_share_of_right_answers_that_is_lost(runs) -> None:
    record = runs[0]
    at = record.samples[record.samples["eps"] == 1.0]
    right = at[at["correct"]]
    share = lost_share(record, 1.0)
    assert share is not None
    assert share.n == len(right) == round(0.9 * 64)
    assert share.value == pytest.approx(1 - right["robust"].mean())
    assert share.low <= share.value <= share.high
    wrong = replace(record, samples=record.samples.assign(correct=False, robust=False))
    assert lost_share(wrong, 1.0) is None


def test_references_that_repeat_are_drawn_whole(runs) -> None:
    record = runs[0]
    shared = {name: f"r{i // 16}" for i, name in enumerate(record.samples["id"].unique())}
    clustered = lost_share(replace(record, facts={**record.facts, "references": shared}), 1.0)
    alone = lost_share(record, 1.0)
    assert clustered is not None
    assert alone is not None
    assert (clustered.low, clustered.high) != (alone.low, alone.high)


def test_a_table_and_a_map_an_eps_with_targets_from_weak_to_strong(runs) -> None:
    blocks = TransferMatrix()(runs)
    assert [type(block).__name__ for block in blocks] == ["Table", "Chart"] * 2
    table, chart = blocks[:2]
    assert "l2 eps 1, percent" in table.title
    assert table.columns == ("found on, judged by:", "psnr (58 right)", "lipsim (58 right)")
    assert [row[0] for row in table.rows] == ["psnr", "lipsim", "ssim+psnr"]
    found = {
        (row[0], column): cell for row in table.rows for column, cell in zip(table.columns[1:], row[1:], strict=True)
    }
    for record in runs:
        source, target = "+".join(record.facts["followed"]), record.spec["metric"]
        share = lost_share(record, 1.0)
        assert share is not None
        assert found[source, f"{target} (58 right)"] == Cell.share(share)
    (panel,) = chart.panels
    assert panel.rows == ("psnr", "lipsim", "ssim+psnr")
    assert panel.columns == ("psnr", "lipsim")
    assert any("several metrics" in note.lower() for note in table.notes)
    assert any("by l2-apgd-ce" in note for note in table.notes)


def test_what_was_searched_in_another_way_stands_apart_and_other_attacks_do_not_count(runs, make_record) -> None:
    other = [transferred(one, one.facts["followed"][0], momentum=1.0) for one in runs[:2]]
    assert [len(matrix.records) for matrix in matrices([*runs, *other])] == [6, 2, 6, 2]
    assert matrices([make_record(), runs[0]]) == []
    assert TransferMatrix()([make_record()]) == []


def test_a_pair_that_was_not_run_leaves_its_cell_empty(runs) -> None:
    table, chart = TransferMatrix()(runs[1:])[:2]
    assert sum(cell is None for row in table.rows for cell in row) == 1
    assert sum(cell is None for row in chart.panels[0].cells for cell in row) == 1


HEAT = HeatMap(
    "t", "judged by", "found on", ("a", "b"), ("a", "b", "c"),
    (
        (Cell(100, 90, 100, 20), Cell(0, 0, 10, 20), None),
        (Cell(50, 40, 60, 20), Cell(10, 5, 20, 20), Cell(20, 1, 30, 20)),
    ),
)  # fmt: skip


def test_the_map_is_darker_where_numbers_are_larger_and_says_each_with_its_interval() -> None:
    axis = drawn(Chart("t", "name", (HEAT,))).axes[0]
    words = [text.get_text() for text in axis.texts]
    assert {"100.0", "90.0 to 100.0", "50.0", "40.0 to 60.0"} <= set(words)
    assert len(words) == 2 * 5
    light = [np.mean(patch.get_facecolor()[:3]) for patch in axis.patches]
    assert len(light) == 5
    values = [100, 0, 50, 10, 20]
    assert np.argsort(light).tolist() == np.argsort([-value for value in values]).tolist()
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1], "the first row is on top"


def test_each_cell_lies_where_its_row_and_column_are() -> None:
    axis = drawn(Chart("t", "name", (HEAT,))).axes[0]
    figure_of = axis.transData.inverted()
    for patch, (row, column) in zip(axis.patches, [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)], strict=True):
        box = patch.get_window_extent()
        x, y = figure_of.transform(((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
        assert (x, y) == pytest.approx((column, row), abs=0.05)


def test_the_page_has_the_same_numbers() -> None:
    (data,) = chart_data(Chart("t", "name", (HEAT,)))
    assert data["kind"] == "heatMap"
    assert [[None if cell is None else cell["text"] for cell in row] for row in data["cells"]] == [
        ["100.0", "0.0", None], ["50.0", "10.0", "20.0"],
    ]  # fmt: skip
    assert panel_table(HEAT).columns == ("found on, judged by:", "a", "b", "c")
