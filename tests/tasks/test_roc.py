"""The ROC curve in its worst case against pixel l2, where every distance moves by exactly eps."""

import numpy as np
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
from perceptbench.testing.samples import pairs, pairs_source

DISTANCES = np.array([0.2, 0.4, 0.5, 0.6, 0.3, 0.55, 0.8])
SAME = np.array([True] * 4 + [False] * 3)


def made(metric: Metric, attack: str = "l2-pgd(steps=20)", side: int = 8, **more: object) -> Record:
    source = pairs_source(pairs(DISTANCES.tolist(), SAME.tolist(), side))
    request = Request(
        metrics=[Held("metric", metric)], data=[Held("mine", source)], task="roc", attacks=[attack], eps=(0.05, 0.1),
        **more,
    )  # fmt: skip
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
