"""Numbers in tables against those counted from the samples, without the code of results."""

import pytest

from reports.base import Cell, Table
from reports.leaderboard import Leaderboard
from reports.sandwich import Sandwich


def _line(table: Table, metric: str) -> dict[str, object]:
    rows = [row for row in table.rows if row[0] == metric]
    assert len(rows) == 1
    return dict(zip(table.columns, rows[0], strict=True))


def test_the_leaderboard_counts_what_the_samples_hold(four_metrics) -> None:
    (table,) = Leaderboard()(four_metrics)
    assert "percent" in table.title
    for record in four_metrics:
        line, samples, spec = _line(table, record.spec["metric"]), record.samples, record.spec
        once = samples.drop_duplicates("id")
        assert line["natural"].value == pytest.approx(100 * (once["d1"] < once["d0"]).mean())
        assert line["n"] == line["natural"].n == 64
        for eps in spec["eps"]:
            at = samples[samples["eps"] == eps]
            attacked = line[f"after l2-aa, l2 eps {eps:g}"]
            proved = line[f"proved by margin, l2 eps {eps:g}"]
            assert (attacked is None) == (spec["attack"] is None)
            assert (proved is None) == (spec["certifier"] is None)
            if attacked is not None:
                assert attacked.value == pytest.approx(100 * at["robust"].mean())
                assert attacked.low <= attacked.value <= attacked.high
            if proved is not None:
                assert proved.value == pytest.approx(100 * (at["radius"] > eps).mean())


def test_the_leaderboard_is_sorted_by_natural_score(four_metrics) -> None:
    (table,) = Leaderboard()(four_metrics)
    assert [row[0] for row in table.rows] == ["effnet-lite0", "lipsim", "ssim", "psnr"]


def test_distances_have_a_table_of_their_own(make_record) -> None:
    record = make_record("ssim", attack="l2-mse", certifier=None, unit="distance")
    scores, distances = Leaderboard()([record])
    assert scores.columns == ("metric", "n", "natural")
    cell = _line(distances, "ssim")["after l2-mse, l2 eps 2"]
    expected = record.samples.loc[record.samples["eps"] == 2, "d_self"].mean()
    assert (cell.unit, cell.value) == ("distance", pytest.approx(expected))


def test_data_sets_and_sizes_are_not_mixed(make_record) -> None:
    records = [
        make_record(),
        make_record(run="b" * 12, data="nights:/data/nights@test"),
        make_record(run="c" * 12, n=8),
    ]
    photos, nights = sorted(Leaderboard()(records), key=lambda table: "nights" in table.title)
    assert [row[1] for row in photos.rows] in ([64, 8], [8, 64])
    assert nights.title == "2AFC score on nights:nights@test, percent"


def test_certificates_that_are_no_promise_are_marked_and_bound_nothing(make_record) -> None:
    record = make_record(certifier="paper", sound=False)
    (table,) = Leaderboard()([record])
    assert _line(table, "lipsim")["proved by paper, l2 eps 1"].mark == "†"
    assert any("not sound" in note for note in table.notes)
    assert Sandwich()([record]) == []


def test_the_sandwich_takes_the_strongest_attack(make_record) -> None:
    weak = make_record(attack="l2-pgd", flip=40.0)
    strong = make_record(attack="l2-aa", run="b" * 12)
    (table,) = Sandwich()([weak, strong])
    for row in table.rows:
        line = dict(zip(table.columns, row, strict=True))
        eps = float(line["eps"].removeprefix("l2 "))
        robust = strong.samples.loc[strong.samples["eps"] == eps, "robust"].mean()
        proved = (weak.samples.loc[weak.samples["eps"] == eps, "radius"] > eps).mean()
        newest = (strong.samples.loc[strong.samples["eps"] == eps, "radius"] > eps).mean()
        assert line["attacked by"] == "l2-aa"
        assert line["at most"].value == pytest.approx(100 * robust)
        assert line["at least"].value in (pytest.approx(100 * proved), pytest.approx(100 * newest))
        assert line["gap, points"] == pytest.approx(line["at most"].value - line["at least"].value)


def test_a_table_with_a_crooked_row_is_refused() -> None:
    with pytest.raises(ValueError, match="has 2 columns, a row has 1"):
        Table("t", ("a", "b"), ((Cell(1, 0, 2, 3),),))
