"""Pairs with an image that the metric does not answer for: in no rate, threshold, curve, test or gate, and counted."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from galleries import near_grey, searched
from PIL import Image
from torch import Tensor

import perceptbench as pb
from perceptbench.bench.gate_runs import counted_alike
from perceptbench.bench.output import footnotes
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.core.errors import Notice, UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric as metrics
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.metrics.usable import usable
from perceptbench.reports.cell import Cell
from perceptbench.reports.figures.roc_curves import RocCurves
from perceptbench.reports.tables.matching_rates import MatchingEdits, MatchingLeaderboard, MatchingRates
from perceptbench.results.gate.baseline import run_of
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.paired import outcomes
from perceptbench.results.record import Record
from perceptbench.results.rows import left_out, rows_of
from perceptbench.results.store import RunStore
from perceptbench.tasks.matching import Matching
from perceptbench.tasks.retrieval import Retrieval
from perceptbench.testing.samples import pairs, pairs_source
from perceptbench.triplets.pairs import PairEntry, PairSource, calibrates

SIGN = 0.75
"""The blue corner of an image that the metric does not answer for; others are near grey."""
DISTANCES = [0.2, 0.4, 0.5, 0.6, 0.3, 0.55, 0.8]
SAME = [True] * 4 + [False] * 3
OUT = (0, 5)
"""Of these pairs: one of each kind. Without them TPR is 1 of 3 and FPR 1 of 2, with them 2 of 4 and 1 of 3."""


class Selecting(PixelL2):
    """Pixel l2 that answers for no image with the sign in its corner."""

    def usable(self, x: Tensor) -> Tensor:
        return (x[:, 2, 0, 0] - SIGN).abs() > 0.01


@dataclass(frozen=True)
class _Signed:
    """A pair whose query, or other image, shows the sign; the same change of both keeps their distance."""

    load: object

    def __call__(self) -> tuple[Tensor, Tensor]:
        found = tuple(x.clone() for x in self.load())  # type: ignore[operator]
        for x in found:
            x[2, 0, 0] = SIGN
        return found  # type: ignore[return-value]


def source(out: tuple[int, ...] = OUT, distances: list[float] = DISTANCES, same: list[bool] = SAME) -> PairSource:
    """Pairs at these distances but for one pixel, where some show the sign; groups alternate."""
    made = pairs_source(pairs(distances, same))
    return replace(made, entries=tuple(_entry(one, i, i in out) for i, one in enumerate(made.entries)))


def _entry(one: PairEntry, i: int, signed: bool) -> PairEntry:
    load = _Signed(one.load) if signed else one.load
    return replace(one, load=load, group=f"edit {i % 2}")  # type: ignore[arg-type]


def run(metric: object, data: PairSource, task: str = "matching(tau=0.45)", attack: str = "l2-fmn(steps=60)",
        goal: str | None = "evade") -> Record:  # fmt: skip
    request = Request(
        metrics=[Held("metric", metric)], data=[Held("mine", data)], task=task, attacks=[attack], eps=(0.1, 0.5),
        goal=goal, skip_certified=False,
    )  # fmt: skip
    (record,) = run_plans(make_plans(request), MemoryStore(), 4)
    return record


@pytest.fixture(scope="module")
def evaded() -> Record:
    return run(Selecting(), source())


def test_a_metric_says_which_images_it_answers_for_and_all_others_answer_for_all() -> None:
    x = torch.full((3, 3, 4, 4), 0.5)
    x[1, 2, 0, 0] = SIGN
    assert usable(Selecting(), x).tolist() == [True, False, True]
    assert usable(PixelL2(), x).tolist() == [True] * 3


@pytest.mark.parametrize("given", [torch.ones(3), torch.ones(2, dtype=torch.bool), [True] * 3])
def test_anything_but_a_yes_or_no_an_image_is_refused(given: object) -> None:
    class Wrong(PixelL2):
        def usable(self, x: Tensor) -> Tensor:
            return given  # type: ignore[return-value]

    with pytest.raises(UserError, match=r"Wrong.usable: expected booleans \(3,\), got"):
        usable(Wrong(), torch.zeros(3, 3, 4, 4))


def test_they_are_in_no_rate_and_counted(evaded: Record) -> None:
    rows = rows_of(evaded)
    said = [(row.kind, row.measure, row.eps, row.n, round(row.score, 1)) for row in rows]
    assert said == [
        ("natural", "TPR", None, 3, 33.3),
        ("natural", "FPR", None, 2, 50.0),
        # Of the six couples of 0.4, 0.5, 0.6 with 0.3 and 0.8 three are in order; precisions are 1/2, 2/3 and 3/4.
        ("natural", "ROC-AUC", None, 5, 50.0),
        ("natural", "micro-AP", None, 5, 63.9),
        ("attack", "evasion rate", 0.1, 1, 100.0),
        ("certificate", "evasion rate", 0.1, 1, 100.0),
        ("attack", "evasion rate", 0.5, 1, 100.0),
        ("certificate", "evasion rate", 0.5, 1, 100.0),
    ]
    assert {row.left_out for row in rows} == {2}
    assert left_out(evaded) == 2
    assert rows[0].to_dict()["left_out"] == 2
    assert footnotes(rows)[-1] == (
        "metric does not answer for the images of 2 samples of mine, which are in none of its scores"
    )
    first = evaded.samples[evaded.samples["eps"] == 0.1]
    assert first["usable"].tolist() == [i not in OUT for i in range(7)]


def test_they_are_not_attacked(evaded: Record) -> None:
    out = evaded.samples[~evaded.samples["usable"]]
    assert len(out) == 4
    assert (out[["forwards", "backwards", "size", "radius"]] == 0).all(axis=None)
    assert (out["broken_by"] == "").all()
    assert not out["robust"].any()
    collided = run(Selecting(), source(), goal="collide")
    # 0.8 alone is at stake: 0.3 matches, and 0.55 is left out.
    assert {(row.n, row.measure) for row in rows_of(collided) if row.kind == "attack"} == {(1, "collision rate")}
    assert collided.samples[collided.samples["forwards"] > 0]["id"].nunique() == 1


def test_one_image_of_a_pair_is_enough() -> None:
    made = source()

    def other_alone(load: object) -> tuple[Tensor, Tensor]:
        reference, other = load()  # type: ignore[operator]
        other = other.clone()
        other[2, 0, 0] = SIGN
        return reference, other

    entries = tuple(
        replace(one, load=partial(other_alone, one.load)) if i == 1 else one for i, one in enumerate(made.entries)
    )
    record = run(Selecting(), replace(made, entries=entries))
    assert left_out(record) == 3
    assert record.samples[record.samples["eps"] == 0.1]["usable"].tolist()[1] is False


def test_the_curve_of_roc_is_of_the_others() -> None:
    record = run(Selecting(), source(), "roc", "l2-pgd(steps=5)", None)
    rows = rows_of(record)
    assert (rows[0].measure, rows[0].n, rows[0].score, rows[0].left_out) == ("ROC-AUC", 5, 50.0, 2)
    assert {row.n for row in rows} == {5}
    (chart,) = RocCurves()([record])
    assert "(3 same and 2 different pairs)" in chart.panels[0].title
    assert "metric does not answer for the images of 2 of 7 samples" in chart.notes[-1]
    # A step of a third to the right or of a half up, and none of the pairs that are left out.
    clean = [(round(x), round(cell.value)) for x, cell in chart.panels[0].curves[0].points]  # type: ignore[union-attr]
    assert clean == [(0, 0), (50, 0), (50, 33), (50, 67), (50, 100), (100, 100)]


def test_tables_count_the_others_and_say_so(evaded: Record) -> None:
    records = [evaded, run(PixelL2(), source())]
    named = [replace(one, spec={**one.spec, "metric": name}) for one, name in zip(records, ("few", "all"), strict=True)]
    (rates,) = MatchingRates()(named)
    rows = {row[0]: dict(zip(rates.columns, row, strict=True)) for row in rates.rows}
    assert (rows["few"]["pairs"], rows["all"]["pairs"]) == (5, 7)
    assert round(rows["few"]["TPR"].value) == 33
    note = "few does not answer for the images of 2 of 7 samples, which are in none of its scores."
    assert rates.notes[-1] == note
    board = MatchingLeaderboard()(named)[0]
    shares = {row[1]: dict(zip(board.columns, row, strict=True))["right after attack"] for row in board.rows}
    assert {name: (cell.n, round(cell.value)) for name, cell in shares.items()} == {"few": (3, 0), "all": (4, 25)}
    assert note in board.notes
    (edits,) = MatchingEdits()(named)
    found = {row[0]: (row[2], row[3]) for row in edits.rows}
    assert [(cell.n, cell.value) for cell in found["edit 0"] if isinstance(cell, Cell)] == [(2, 50), (1, 0)]


def test_two_metrics_are_tested_on_the_pairs_that_both_answer_for(evaded: Record) -> None:
    both = outcomes(evaded, run(PixelL2(), source()), "attack", 0.1)
    assert len(both.ids) == 5
    assert (both.test().gained, both.test().lost) == (0, 0)


def test_the_gate_keeps_the_others_alone_and_refuses_another_choice(evaded: Record) -> None:
    kept = run_of(evaded)
    ids = list(dict.fromkeys(evaded.samples["id"]))
    assert set(kept.outcomes) == {one for i, one in enumerate(ids) if i not in OUT}
    assert kept.scores["natural"] == [40.0]
    assert counted_alike([kept], [kept]) == []
    (found,) = counted_alike([run_of(run(PixelL2(), source()))], [kept])
    assert found.failed
    assert "it answers for the images of 5 samples and did for 7" in found.sentence


def library(out: int) -> PairSource:
    """Ten different pairs of the calibration half at 0.1 to 1, the first `out` with the sign; few of the other half."""
    names = [f"photo {i}" for i in range(400)]
    fitted, kept = [n for n in names if calibrates(n)], [n for n in names if not calibrates(n)]
    distances = [0.1 * i for i in range(1, 11)] + [0.05, 0.5, 0.05]
    same = [False] * 10 + [True, False, True]
    shown = [(fitted[i], fitted[i + 1]) for i in range(10)]
    shown += [(fitted[0], fitted[0]), (kept[0], kept[1]), (kept[0], kept[0])]
    made = pairs_source(pairs(distances, same), shown)
    return replace(made, entries=tuple(_entry(one, i, i < out) for i, one in enumerate(made.entries)))


def test_the_threshold_is_found_on_the_others() -> None:
    """Of eight pairs at 0.3 to 1 a rate of 0.4 allows three."""
    state = Matching(fpr=0.4).fit(Selecting(), library(2), "cpu")
    assert {key: state[key] for key in state if key != "tau"} == {
        "calibration_pairs": 8, "calibration_matches": 3, "calibration_left_out": 2
    }  # fmt: skip
    assert float(state["tau"]) == pytest.approx(0.6, abs=1e-5)  # type: ignore[arg-type]
    assert "calibration_left_out" not in Matching(fpr=0.4).fit(Selecting(), library(0), "cpu")
    with pytest.raises(UserError, match=r"at least 8 different pairs .* got 7, and 3 that the metric does not answer"):
        Matching(fpr=0.4).fit(Selecting(), library(3), "cpu")


def test_where_nothing_is_answered_there_is_no_score() -> None:
    with pytest.raises(UserError, match="metric answers for no sample of mine, so there is no score"):
        run(Selecting(), source(tuple(range(7))))


def test_a_run_from_before_the_column_is_read_as_answering_for_all(evaded: Record, tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    columns = {name: str(kind) for name, kind in evaded.samples.dtypes.items() if name != "usable"}
    with store.writer(evaded.run, columns) as writer:
        writer.finish(replace(evaded, samples=evaded.samples.drop(columns="usable")))
    read = store.get(evaded.run)
    assert list(read.samples.columns) == list(evaded.samples.columns)
    assert read.samples["usable"].all()
    pd.testing.assert_series_equal(read.samples["d"], evaded.samples["d"])


def test_pdq_leaves_flat_pictures_out(tmp_path: Path) -> None:
    """A grey picture has quality 0: its pairs are excluded and counted, as users of PDQ do."""
    pytest.importorskip("pdqhash", reason="the extra pdq is not installed")
    made = source()
    draw = torch.Generator().manual_seed(0)

    def entry(one: PairEntry, i: int) -> PairEntry:
        x = torch.full((3, 64, 64), 0.5) if i in OUT else torch.rand(3, 64, 64, generator=draw)
        y = (x + 0.01 * torch.rand(3, 64, 64, generator=draw)).clamp(0, 1) if one.same else x.flip(1)
        return replace(one, load=lambda: (x, y))

    entries = tuple(entry(one, i) for i, one in enumerate(made.entries))
    record = run(metrics.build(Ref("pdq")), replace(made, entries=entries), "matching(tau=31)", "l2-square(queries=2)")
    assert record.samples["usable"].tolist() == [i not in OUT for i in range(7)] * 2
    rates = {row.measure: (row.n, row.score) for row in rows_of(record) if row.kind == "natural"}
    assert (rates["TPR"], rates["FPR"]) == ((3, 100.0), (2, 0.0))
    assert np.isfinite(record.samples["d"]).all()


def test_a_search_refuses_images_that_are_not_answered_for() -> None:
    images, queries = near_grey(5), near_grey(2, seed=1)
    Retrieval().fit(Selecting(), searched(images, images, own=[0, 1, 2, 3, 4]), "cpu")
    images[3, 2, 0, 0] = queries[1, 2, 0, 0] = SIGN
    with pytest.raises(UserError, match="Selecting does not answer for 2 of these images, 'g3' among them"):
        Retrieval().fit(Selecting(), searched(images, queries), "cpu")


def test_a_list_of_pairs_has_no_such_image_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photos").mkdir()
    for i in range(4):
        pixels = np.random.default_rng(i).integers(100, 150, (224, 224, 3), dtype=np.uint8)
        pixels[0, 0, 2] = round(255 * SIGN) if i == 2 else 128
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    with pytest.warns(Notice, match=r"Selecting does not answer for 1 images, '2.png' among them: in no pair"):
        count = pb.pairs_below(Selecting(), tmp_path / "photos", 1e6, tmp_path / "pairs.csv")
    table = pd.read_csv(tmp_path / "pairs.csv")
    assert count == len(table) == 3
    assert not table[["a", "b"]].isin(["photos/2.png"]).any(axis=None)
