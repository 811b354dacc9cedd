"""The picture: what is drawn, where labels stand, and that bytes do not change."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from perceptbench.reports.drawing.curves import spread
from perceptbench.reports.figures.robustness_curve import BANDS, RobustnessCurve, banded
from perceptbench.reports.formats.png_pdf import save
from perceptbench.results.record import Record
from perceptbench.results.rows import Row


def test_curves_start_at_the_natural_score_and_never_rise(four_metrics) -> None:
    (chart,) = RobustnessCurve()(four_metrics)
    (panel,) = chart.panels
    assert panel.x_label == "eps, l2 norm over all pixels in [0, 1]"
    assert {(c.metric, c.proved) for c in panel.curves} == {
        ("lipsim", False), ("lipsim", True), ("effnet-lite0", False), ("psnr", True), ("ssim", False),
    }  # fmt: skip
    for curve in panel.curves:
        record = next(r for r in four_metrics if r.spec["metric"] == curve.metric)
        assert curve.points[0][0] == 0
        assert curve.points[0][1].value == 100 * record.samples["correct"].mean()
        assert [eps for eps, _ in curve.points[1:]] == record.spec["eps"]
        values = [cell.value for _, cell in curve.points]
        assert values == sorted(values, reverse=True)


def test_norms_have_panels_of_their_own_and_metrics_one_style(make_record) -> None:
    records = [make_record(), make_record(run="b" * 12, norm="linf", attack="linf-aa", eps=(2 / 255, 8 / 255))]
    (chart,) = RobustnessCurve()([*records, make_record("dists", run="c" * 12)])
    assert [panel.x_label.split()[1] for panel in chart.panels] == ["l2", "l-infinity"]
    for panel, eps in zip(chart.panels, ([0.5, 1, 2, 3], [2 / 255, 8 / 255]), strict=True):
        assert all([at for at, _ in curve.points[1:]] == eps for curve in panel.curves)
    styles = {(curve.metric, curve.style) for panel in chart.panels for curve in panel.curves}
    assert styles == {("dists", 0), ("lipsim", 1)}


def test_unsound_certificates_are_not_drawn(make_record) -> None:
    (chart,) = RobustnessCurve()([make_record(certifier="paper", sound=False)])
    assert [curve.proved for curve in chart.panels[0].curves] == [False]
    assert "Certificates that are not sound are left out." in chart.notes


def test_bands_of_many_metrics_are_left_to_the_tables(make_record, monkeypatch, tmp_path) -> None:
    drawn: list[object] = []
    monkeypatch.setattr("matplotlib.axes.Axes.fill_between", lambda axis, *rest, **style: drawn.append(rest))
    for n, bands, note in ((4, True, BANDS), (5, False, "95 % intervals are in the tables.")):
        records = [make_record(name, run=name * 12) for name in "abcde"[:n]]
        (chart,) = RobustnessCurve()(records)
        save(chart, tmp_path / "a.png", "png")
        assert len(drawn) == (len(chart.panels[0].curves) if bands else 0)
        assert chart.notes[-1].startswith(note)
        drawn.clear()


def test_data_sets_of_like_names_get_files_of_their_own(make_record) -> None:
    records = [make_record(data="csv:a.b"), make_record(data="csv:a-b", run="b" * 12)]
    names = sorted(chart.name for chart in RobustnessCurve()(records))
    assert names == ["robustness_curve_csv-a-b", "robustness_curve_csv-a-b-2"]


def test_the_same_chart_gives_the_same_bytes(four_metrics, tmp_path) -> None:
    (chart,) = RobustnessCurve()(four_metrics)
    for form, begins in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        first, second = tmp_path / "1", tmp_path / "2"
        save(chart, first, form)
        save(chart, second, form)
        assert first.read_bytes() == second.read_bytes()
        assert first.read_bytes().startswith(begins)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_labels_keep_their_distance_and_their_order(values: list[float]) -> None:
    heights = spread(values, 5)
    pairs = sorted(zip(values, heights, strict=True))
    ordered = sorted(heights)
    assert ordered[0] >= 0
    assert all(b - a >= 5 - 1e-6 for a, b in itertools.pairwise(ordered))
    assert all(h <= k for (v, h), (w, k) in itertools.pairwise(pairs) if v < w)


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([10, 90, 50], 5) == [10, 90, 50]


def row(score: float, n: int) -> Row:
    return Row(
        metric="m", data="d", kind="attack", method="a", norm="l2", eps=1.0, n=n, score=score, low=0, high=0, run="r"
    )


def share_references(record: Record, size: int) -> Record:
    """The record with one reference image for every `size` triplets."""
    names = {f"t{i}": f"r{i // size}" for i in range(record.facts["n"])}
    return replace(record, facts={**record.facts, "references": names})


def test_bands_hold_for_all_eps_of_a_curve_at_once(make_record) -> None:
    """Five eps: each interval has 99 %; those of n = 10 and 5 by Clopper and Pearson's beta quantiles.

    Twenty triplets of ten references are worth no more than ten.
    """
    for record in (make_record(n=10), share_references(make_record(n=20), 2)):
        n = record.facts["n"]
        for _, cell in banded([(float(eps), row(50, n)) for eps in range(5)], {"r": record}):
            assert cell.low == pytest.approx(100 * stats.beta.ppf(0.005, 5, 6))
            assert cell.high == pytest.approx(100 * stats.beta.ppf(0.995, 6, 5))
            assert (cell.value, cell.n) == (50, n)


def test_many_eps_have_the_band_of_a_survival_curve(make_record) -> None:
    """sqrt(ln(40) / (2 n)), which is 4.29 points for n = 1000."""
    for record in (make_record(n=1000), share_references(make_record(n=4000), 4)):
        points = [(float(eps), row(98.0 - 2 * eps, record.facts["n"])) for eps in range(9)]
        found = banded(points, {"r": record})
        assert [round(cell.value - cell.low, 2) for _, cell in found] == [4.29] * 9
        assert [cell.high for _, cell in found[:2]] == [100, 100]
        assert found[4][1].high == pytest.approx(94.2947, abs=1e-3)


def test_sizes_of_flips_are_no_points_chosen_beforehand(make_record) -> None:
    """However few flips an attack for the smallest one found, it has the band of a survival curve."""
    record = make_record(n=1000)
    minimal = replace(record, facts={**record.facts, "minimal": True})
    assert [round(50 - cell.low, 2) for _, cell in banded([(1.0, row(50, 1000))], {"r": minimal})] == [4.29]


def test_a_metric_is_drawn_on_the_triplets_that_were_attacked(make_record) -> None:
    """Certificates of 342 triplets beside attacks on 32, as docs/ci.md advises: proof and attack of the 32 stay."""
    many = make_record(run="a" * 12, attack=None, n=342, proved=0.2)
    few = make_record(run="b" * 12, n=32, flip=9.0, proved=0.2)
    only = make_record("psnr", run="c" * 12, attack=None, n=342)
    (chart,) = RobustnessCurve()([many, few, only])
    (panel,) = chart.panels
    assert panel.title == "photos, l2 (n = 32 to 342)"
    sizes = {(c.metric, c.proved): {cell.n for _, cell in c.points} for c in panel.curves}
    assert sizes == {("lipsim", False): {32}, ("lipsim", True): {32}, ("psnr", True): {342}}
    assert any(note.startswith("Each metric on the most triplets that were attacked") for note in chart.notes)


def test_notes_name_what_is_drawn(make_record) -> None:
    record = make_record(run="a" * 12)
    moved = make_record(run="b" * 12, attack="l2-pgd", n=80)
    moved = replace(moved, spec={**moved.spec, "move": "all"})
    (chart,) = RobustnessCurve()([record, moved])
    assert chart.notes == (
        "Solid: after all attacks on each metric, of l2-aa.",
        "Dashed: proved, no attack on the reference image gets below.",
        f"{BANDS} Grey line: 50 %, the score of a coin.",
    )
    assert RobustnessCurve()([moved]) == []
    few = make_record(run="c" * 12, attack="l2-apgd-ce", certifier=None, n=8)
    (chart,) = RobustnessCurve()([record, few])
    assert chart.notes[0].endswith("of l2-aa.")


def test_a_panel_without_bands_beside_one_with_them_is_named(make_record) -> None:
    many = [make_record(name, run=name * 12) for name in "abcde"]
    linf = make_record("a", run="f" * 12, norm="linf", attack="linf-aa", eps=(0.01,))
    (chart,) = RobustnessCurve()([*many, linf])
    assert chart.notes[2].startswith(f"{BANDS} Panels of more than four metrics have none; their 95 % intervals are in")


def test_curves_of_plain_images_do_not_start_at_the_score_of_rounded_ones(make_record) -> None:
    plain = make_record(run="a" * 12, natural=0.9)
    for year in ("2025", "2027"):
        rounded = make_record(run="b" * 12, natural=0.5, time=f"{year}-01-01T00:00:00+00:00")
        rounded = replace(rounded, spec={**rounded.spec, "quantize": "8bit"})
        (chart,) = RobustnessCurve()([plain, rounded])
        assert {c.points[0][1].value for c in chart.panels[0].curves} == {100 * plain.samples["correct"].mean()}
