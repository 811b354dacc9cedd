"""Success against queries: a point says how many right answers were lost by then."""

from dataclasses import replace

import numpy as np
import pytest

from perceptbench.reports.figures.query_curve import QueryCurve
from perceptbench.reports.formats.html_chart import chart_data, panel_table
from perceptbench.results.queries import MOST_POINTS, success
from perceptbench.results.record import Record


def asked(record: Record, attack: str = "l2-query") -> Record:
    """A made-up run of a query attack: what was lost at eps was lost after 10, 20, ... queries of 1000."""
    samples = record.samples.copy()
    lost = samples["correct"] & ~samples["robust"]
    samples["queries"] = np.where(lost, 10.0 * (1 + samples.groupby("eps").cumcount()), np.nan)
    samples["forwards"] = np.where(samples["correct"], 1000.0, 0.0)
    return replace(record, samples=samples, spec={**record.spec, "attack": attack})


def test_the_curve_counts_right_answers_lost_so_far(make_record) -> None:
    record = asked(make_record(flip=1.0, eps=(1.0,)))
    right = record.samples[record.samples["correct"]]
    points = success(record, 1.0)
    assert points[0][0] == 0
    assert points[0][1].value == 0
    assert points[-1][0] == 1000
    assert points[-1][1].value == pytest.approx(1 - right["robust"].mean())
    for at, share in points:
        assert share.n == len(right)
        assert share.value == pytest.approx((right["queries"] <= at).mean())
    assert len(points) <= MOST_POINTS + 2
    assert [at for at, _ in points] == sorted({at for at, _ in points})


def test_a_panel_an_eps_and_a_curve_a_metric_and_attack(make_record) -> None:
    records = [
        asked(make_record("lipsim", run="a" * 12, flip=2.0)), asked(make_record("psnr", run="b" * 12, flip=1.0)),
        asked(make_record("psnr", run="c" * 12, flip=1.0), "l2-square"), make_record("dists", run="d" * 12),
    ]  # fmt: skip
    (chart,) = QueryCurve()(records)
    assert [panel.title.split(",")[0] for panel in chart.panels] == ["l2 eps 0.5", "l2 eps 1", "l2 eps 2", "l2 eps 3"]
    assert [curve.metric for curve in chart.panels[0].curves] == [
        "lipsim, l2-query",
        "psnr, l2-query",
        "psnr, l2-square",
    ]
    assert panel_table(chart.panels[0]).columns == ("metric", "score", "queries", "percent", "n")
    (data, *_) = chart_data(chart)
    assert data["counts"] == "queries"
    assert data["stops"][-1] == [1000.0, "1000"]


def test_runs_that_did_not_count_give_no_figure(make_record) -> None:
    assert QueryCurve()([make_record()]) == []
    nobody = asked(make_record(natural=0.0))
    assert QueryCurve()([nobody]) == []
