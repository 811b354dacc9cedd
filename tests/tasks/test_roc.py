"""The ROC curve in its worst case against pixel l2, where every distance moves by exactly eps."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.core.errors import UserError
from perceptbench.metrics.base import Metric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.metrics.classical.ssim import SSIM
from perceptbench.reports.base import Chart
from perceptbench.reports.figures.roc_curves import RocCurves
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.record import Record
from perceptbench.results.rows import rows_of
from perceptbench.results.statistics.dyadic import Sides, roc_auc
from perceptbench.testing.samples import pairs, pairs_source

DISTANCES = np.array([0.2, 0.4, 0.5, 0.6, 0.3, 0.55, 0.8])
SAME = np.array([True] * 4 + [False] * 3)


def made(
    metric: Metric, attack: str = "l2-pgd(steps=20)", side: int = 8, names: list[tuple[str, str]] | None = None,
    **more: object,
) -> Record:  # fmt: skip
    source = pairs_source(pairs(DISTANCES.tolist(), SAME.tolist(), side), names)
    asked = {"eps": (0.05, 0.1), **more}
    request = Request(
        metrics=[Held("metric", metric)], data=[Held("mine", source)], task="roc", attacks=[attack], **asked
    )
    (record,) = run_plans(make_plans(request), MemoryStore(), 4)
    return record


def area(d: np.ndarray) -> float:
    return 100 * float(np.mean([(a < b) + (a == b) / 2 for a in d[SAME] for b in d[~SAME]]))


def test_every_distance_moves_by_eps_and_the_proof_says_so() -> None:
    record = made(PixelL2())
    for eps in (0.05, 0.1):
        at = record.samples[record.samples["eps"] == eps]
        worst = DISTANCES + eps * np.where(SAME, 1, -1)
        assert at["d"].to_numpy() == pytest.approx(DISTANCES, abs=1e-5)
        assert at["d_adv"].to_numpy() == pytest.approx(worst, abs=0.12 * eps)
        assert at["d_proved"].to_numpy() == pytest.approx(worst, abs=1e-4)
        # The proof has the attack on its inner side.
        assert ((at["d_proved"] - at["d_adv"]).to_numpy() * np.where(SAME, 1, -1) > 0).all()
    scores = {(row.kind, row.eps): (row.score, row.measure) for row in rows_of(record)}
    assert scores["natural", None] == (pytest.approx(area(DISTANCES)), "ROC-AUC")
    for eps in (0.05, 0.1):
        worst = area(DISTANCES + (eps + 1e-6) * np.where(SAME, 1, -1))
        assert scores["certificate", eps] == (pytest.approx(worst), "ROC-AUC")
        assert scores["attack", eps][0] >= scores["certificate", eps][0] - 1e-9


def test_an_attack_on_embeddings_serves_too() -> None:
    record = made(PixelL2(), "l2-mse(steps=20)")
    at = record.samples[record.samples["eps"] == 0.1]
    assert ((at["d_adv"] - at["d"]).to_numpy() * np.where(SAME, 1, -1)).min() > 0.09


def test_a_metric_without_a_constant_has_no_proved_curve() -> None:
    record = made(SSIM(), side=16)
    assert record.samples["d_proved"].isna().all()
    assert {row.kind for row in rows_of(record)} == {"natural", "attack"}


def test_what_bounds_no_distances_and_what_stops_at_a_goal_is_refused() -> None:
    with pytest.raises(UserError, match=r"is about cosine distances"):
        made(PixelL2(), certifiers=("paper",))
    with pytest.raises(UserError, match="has no boundary to look for"):
        made(PixelL2(), "l2-fmn")


def test_intervals_are_about_photographs() -> None:
    """Seven pairs of three photographs."""
    names = [("a", "a"), ("a", "a"), ("b", "b"), ("b", "b"), ("a", "b"), ("b", "c"), ("a", "c")]
    record = made(PixelL2(), "l2-pgd(steps=2)", names=names)
    found = roc_auc(DISTANCES, SAME, Sides.of(*(np.array(side) for side in zip(*names, strict=True))))
    row = rows_of(record)[0]
    assert (row.low, row.high) == (pytest.approx(100 * found.low, abs=0.1), pytest.approx(100 * found.high, abs=0.1))


def test_the_curves_of_the_figure_are_of_their_own_eps_and_kind() -> None:
    """All distances are set by hand, shifted by an amount that is in one column at one eps alone."""
    record = made(PixelL2(), "l2-pgd(steps=2)")
    columns = {("d", 0.05): 0.0, ("d", 0.1): 0.0, ("d_adv", 0.05): 0.1, ("d_adv", 0.1): 0.2,
               ("d_proved", 0.05): 0.3, ("d_proved", 0.1): 0.4}  # fmt: skip
    parts = []
    for eps in (0.05, 0.1):
        at = record.samples[record.samples["eps"] == eps]
        sign = np.where(at["same"], 1, -1)
        parts.append(at.assign(**{name: DISTANCES + columns[name, eps] * sign for name in ("d", "d_adv", "d_proved")}))
    (chart,) = RocCurves()([replace(record, samples=pd.concat(parts, ignore_index=True))])
    curves = {(one.metric, one.proved): one.points for one in chart.panels[0].curves}  # type: ignore[union-attr]
    shifts = {("clean", False): 0.0, ("eps 0.05", False): 0.1, ("eps 0.1", False): 0.2,
              ("eps 0.05", True): 0.3, ("eps 0.1", True): 0.4}  # fmt: skip
    assert set(curves) == set(shifts)
    for name, shift in shifts.items():
        d = DISTANCES + shift * np.where(SAME, 1, -1)
        wanted = {(round(100 * np.mean(d[~SAME] <= tau)), round(100 * np.mean(d[SAME] <= tau))) for tau in [-1, *d]}
        assert {(round(x), round(cell.value)) for x, cell in curves[name]} == wanted


def test_a_tie_at_the_threshold_is_a_match_of_both() -> None:
    record = made(PixelL2(), "l2-pgd(steps=2)")
    tied = replace(record, samples=record.samples.assign(d=1.0, d_adv=1.0, d_proved=1.0))
    (chart,) = RocCurves()([tied])
    for curve in chart.panels[0].curves:  # type: ignore[union-attr]
        assert [(x, cell.value) for x, cell in curve.points] == [(0, 0), (100, 100)]


def test_the_newest_run_is_drawn_and_of_many_eps_and_points_some() -> None:
    record = made(PixelL2(), "l2-pgd(steps=2)", eps=(0.01, 0.02, 0.03, 0.04, 0.05))
    newer = replace(
        record, run="f" * 12, provenance={**record.provenance, "time": "2999-01-01T00:00:00"},
        samples=record.samples.assign(d=1.0),
    )  # fmt: skip
    for records in ([record, newer], [newer, record]):
        (chart,) = RocCurves()(records)
        (panel,) = chart.panels
        assert len(panel.curves[0].points) == 2  # type: ignore[union-attr]
    attacked = [one.metric for one in panel.curves if not one.proved]  # type: ignore[union-attr]
    assert attacked == ["clean", "eps 0.01", "eps 0.03", "eps 0.05"]
    draw, many = np.random.default_rng(0), 400
    samples = pd.concat([record.samples[record.samples["eps"] == 0.01]] * 60, ignore_index=True).head(many)
    samples = samples.assign(id=[f"{i}" for i in range(many)], d=draw.random(many))
    one = replace(record, samples=samples, spec={**record.spec, "eps": [0.01]})
    clean = RocCurves()([one])[0].panels[0].curves[0].points  # type: ignore[union-attr]
    assert len(clean) == 100
    assert (clean[0][0], clean[0][1].value, clean[-1][0], clean[-1][1].value) == (0, 0, 100, 100)


def test_the_figure_has_clean_attacked_and_proved_curves_from_nothing_to_all() -> None:
    (chart,) = RocCurves()([made(PixelL2())])
    assert isinstance(chart, Chart)
    (panel,) = chart.panels
    names = [(curve.metric, curve.proved) for curve in panel.curves]  # type: ignore[union-attr]
    assert names == [("clean", False), ("eps 0.05", False), ("eps 0.05", True), ("eps 0.1", False), ("eps 0.1", True)]
    for curve in panel.curves:  # type: ignore[union-attr]
        assert (curve.points[0][0], curve.points[0][1].value) == (0, 0)
        assert (curve.points[-1][0], curve.points[-1][1].value) == (100, 100)
    clean = panel.curves[0].points  # type: ignore[union-attr]
    # Ranks s d s s d s d: none of three different pairs before the first same one, one before the next two, ...
    found = [(round(x), cell.value) for x, cell in clean]
    assert found == [(0, 0), (0, 25), (33, 25), (33, 50), (33, 75), (67, 75), (67, 100), (100, 100)]
