"""What figures are made of, against records whose answers are set by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import trapezoid
from statsmodels.stats.proportion import proportion_confint

from perceptbench.reports.base import Chart, Table
from perceptbench.reports.figures.distance_histograms import DriftHistograms
from perceptbench.reports.figures.flip_sizes import FlipSizes
from perceptbench.reports.figures.sheets import Sheets
from perceptbench.reports.figures.threat_sheets import ThreatSheets
from perceptbench.reports.figures.violation import Violation
from perceptbench.reports.tables.alignment import Alignment
from perceptbench.results.saved_images import SavedTriplet, save


def changed(record, facts=None, spec=None, **columns):
    """The record with other columns, given for its samples in order."""
    return replace(
        record,
        samples=record.samples.assign(**columns),
        facts={**record.facts, **(facts or {})},
        spec={**record.spec, **(spec or {})},
    )


def at(record, eps):
    return record.samples[record.samples["eps"] == eps]


def test_bars_are_the_scores_at_the_eps_that_most_metrics_have(make_record) -> None:
    records = [
        make_record("low", run="a" * 12, natural=0.5, certifier=None, eps=(1.0, 2.0)),
        make_record("high", run="b" * 12, natural=0.9, eps=(1.0, 2.0)),
        make_record("wide", run="c" * 12, natural=0.7, certifier=None, eps=(1.0, 2.0, 8.0)),
    ]
    (chart,) = Alignment()(records)
    (panel,) = chart.panels
    assert panel.title == "photos, l2 eps 2 (n = 64)"
    assert panel.groups == ("high", "wide", "low")
    assert panel.series == ("natural", "after all attacks", "proved")
    for name, cells in zip(panel.groups, panel.cells, strict=True):
        samples = at(next(r for r in records if r.spec["metric"] == name), 2.0)
        assert cells[0].value == 100 * samples["correct"].mean()
        assert cells[1].value == 100 * samples["robust"].mean()
        if name == "high":
            assert cells[2].value == 100 * (samples["radius"] > 2).mean()
        else:
            assert cells[2] is None


def test_bars_keep_sizes_and_norms_apart_and_show_the_strongest_attack(make_record) -> None:
    few = make_record(run="a" * 12, n=10, eps=(1.0,), certifier=None)
    weak = make_record(run="b" * 12, eps=(1.0,), certifier=None, flip=9)
    strong = make_record(run="c" * 12, eps=(1.0,), certifier=None, flip=0.5, attack="l2-pgd")
    other = make_record("ssim", run="d" * 12, n=32, eps=(1.0,), certifier=None)
    linf = make_record(run="e" * 12, eps=(0.01,), norm="linf", attack="linf-aa", certifier=None)
    (chart,) = Alignment()([few, weak, strong, other, linf])
    first, second = chart.panels
    assert set(first.groups) == {"lipsim (n = 64)", "ssim (n = 32)"}
    assert first.series == ("natural", "after all attacks")
    cells = dict(zip(first.groups, first.cells, strict=True))
    assert cells["lipsim (n = 64)"][1].value == 100 * strong.samples["robust"].mean()
    assert second.title == "photos, l-infinity eps 0.01 (n = 64)"


def test_all_panels_of_a_chart_have_the_same_series(make_record) -> None:
    """Shades go by the number of series: an attacked score may not have that of a proof in the next panel."""
    proved = make_record(run="a" * 12, eps=(1.0,))
    bare = make_record(run="b" * 12, norm="linf", attack="linf-aa", eps=(0.01,), certifier=None)
    (chart,) = Alignment()([proved, bare])
    assert len(chart.panels) == 2
    assert {panel.series for panel in chart.panels} == {("natural", "after all attacks", "proved")}
    assert all(len(line) == 3 for panel in chart.panels for line in panel.cells)


def test_bars_of_plain_images_do_not_show_the_score_of_rounded_ones(make_record) -> None:
    plain = make_record(run="a" * 12, natural=0.9)
    for year in ("2025", "2027"):
        rounded = make_record(run="b" * 12, natural=0.5, time=f"{year}-01-01T00:00:00+00:00")
        rounded = changed(rounded, spec={"quantize": "8bit"})
        (chart,) = Alignment()([plain, rounded])
        assert chart.panels[0].cells[0][0].value == 100 * plain.samples["correct"].mean()
    assert Alignment()([rounded]) == []


def test_nothing_attacked_gives_no_bars(make_record) -> None:
    assert Alignment()([make_record(attack=None)]) == []


def pushed(make_record, metric, values, *, cosine, run, eps=(1.0,)):
    record = make_record(metric, run=run, n=len(values), eps=eps, certifier=None, attack="l2-mse", unit="distance")
    columns = {"d_self": np.concatenate([np.asarray(values) * (i + 1) for i in range(len(eps))])}
    return changed(record, facts={"cosine": cosine, "answers": True}, spec={"goal": "push"}, **columns)


def test_histograms_count_every_image_once_and_cosines_share_axes(make_record) -> None:
    random = np.random.default_rng(0)
    wide, narrow = random.uniform(0.2, 0.9, 200), np.full(200, 0.001)
    records = [
        pushed(make_record, "effnet", wide, cosine=True, run="a" * 12, eps=(0.5, 1.0)),
        pushed(make_record, "lipsim", narrow, cosine=True, run="b" * 12, eps=(0.5, 1.0)),
        pushed(make_record, "psnr", -50 * wide, cosine=False, run="c" * 12, eps=(0.5, 1.0)),
    ]
    (chart,) = DriftHistograms()(records)
    shared, own = sorted(chart.panels, key=lambda panel: -len(panel.densities))
    assert [one.metric for one in shared.densities] == ["effnet", "lipsim"]
    assert [one.metric for one in own.densities] == ["psnr"]
    assert {panel.title for panel in chart.panels} == {"photos, l2-mse, l2 eps 1 (n = 200)"}
    for one, values in zip((*shared.densities, *own.densities), (wide, narrow, -50 * wide), strict=True):
        # The largest eps is the second, where the fixture doubles every distance.
        counts = [np.sum((2 * values >= a) & (2 * values < b)) for a, b in zip(one.edges, one.edges[1:], strict=False)]
        counts[-1] += np.sum(2 * values == one.edges[-1])
        assert one.heights == pytest.approx(np.array(counts) / 2)
        assert sum(one.heights) == pytest.approx(100)
        assert (one.mean, one.n) == (pytest.approx(2 * values.mean()), 200)
    width = shared.densities[0].edges[1]
    x, y = np.array(shared.densities[0].smooth).T
    assert trapezoid(y, x) == pytest.approx(100 * width, rel=0.1), "the kernel estimate is on the scale of the bars"
    assert shared.densities[1].smooth == (), "a spike has no kernel estimate"
    assert own.densities[0].edges[0] == pytest.approx((-100 * wide).min())


def test_flips_and_pulls_have_no_histogram(make_record) -> None:
    pull = changed(pushed(make_record, "a", [0.1, 0.2], cosine=True, run="b" * 12), spec={"goal": "pull"})
    assert DriftHistograms()([make_record(), pull]) == []


def test_a_later_run_of_few_images_or_of_another_question_replaces_no_histogram(make_record) -> None:
    many = pushed(make_record, "a", np.linspace(0.1, 0.9, 20), cosine=True, run="a" * 12)
    other = pushed(make_record, "b", np.linspace(0.2, 0.4, 20), cosine=True, run="b" * 12)
    smoke = pushed(make_record, "a", [0.5, 0.6, 0.7], cosine=True, run="c" * 12)
    moved = changed(many, spec={"quantize": "8bit", "move": "left"}, d_self=0.99)
    later = [replace(run, provenance={"time": "2026-03-01"}) for run in (smoke, moved)]
    (chart,) = DriftHistograms()([*later, many, other])
    (panel,) = chart.panels
    assert [(one.metric, one.n, one.mean) for one in panel.densities] == [
        ("a", 20, pytest.approx(0.5)), ("b", 20, pytest.approx(0.3)),
    ]  # fmt: skip
    few = pushed(make_record, "b", [0.1, 0.1, 0.2], cosine=True, run="d" * 12)
    (chart,) = DriftHistograms()([*later, many, few])
    assert [[one.metric for one in panel.densities] for panel in chart.panels] == [["a"], ["a", "b"]]
    assert [panel.title[-8:] for panel in chart.panels] == ["(n = 20)", " (n = 3)"]


def test_equal_distances_have_a_histogram_too(make_record) -> None:
    (chart,) = DriftHistograms()([pushed(make_record, "a", [0.0, 0.0], cosine=True, run="b" * 12)])
    assert chart.panels[0].densities[0].heights[0] == 100


def flips(make_record, run, size, radius, robust, attack="l2-aa", eps=(1.0, 2.0)):
    """Four triplets that are answered rightly and one that is not."""
    record = make_record(run=run, n=5, natural=0.8, eps=eps, attack=attack)
    columns = {"size": size, "radius": radius, "robust": robust}
    return changed(record, **{name: np.tile(values, len(eps)) for name, values in columns.items()})


def test_the_smallest_flip_of_all_attacks_stands_against_the_largest_radius(make_record) -> None:
    size, radius = np.array([1.5, 1.8, 2.0, 2.0, 0.0]), np.array([1.0, 0.7, 1.9, 5.0, 0.0])
    robust = np.array([False, False, True, True, False])
    first = flips(make_record, "a" * 12, size, radius, robust)
    second = flips(make_record, "b" * 12, size - [0.3, -0.1, 0, 0, 0], radius, robust, attack="l2-ddn", eps=(4.0,))
    (chart,) = FlipSizes()([first])
    (dots,) = chart.panels[0].dots
    assert dots.points == ((0.7, 1.8), (1.0, 1.5))
    assert dots.open == ((1.9, 2.0),), "a radius beyond every eps says nothing"
    (chart,) = FlipSizes()([first, second])
    (dots,) = chart.panels[0].dots
    assert dots.points == ((0.7, 1.8), (1.0, 1.2))
    assert dots.open == ((1.9, 4.0),)
    assert chart.panels[0].title == "photos (3 markers)"


def test_flips_of_rounded_images_and_of_the_papers_protocol_stand_against_no_other_radius(make_record) -> None:
    """A larger radius of other images above the flip of these would look like a proof that failed."""
    size, radius = np.array([1.5, 1.8, 2.0, 2.0, 0.0]), np.array([1.0, 0.7, 1.9, 5.0, 0.0])
    robust = np.array([False, False, True, True, False])
    plain = flips(make_record, "a" * 12, size, radius, robust)
    larger = flips(make_record, "b" * 12, 4 * size, 3 * radius, robust)
    expected = FlipSizes()([plain])
    for option in ({"quantize": "8bit"}, {"protocol": "paper"}, {"move": "all"}):
        other = changed(larger, spec=option)
        assert FlipSizes()([plain, other]) == expected
        assert FlipSizes()([other]) == []


def test_only_promises_about_the_reference_are_set_against_flips(make_record) -> None:
    assert FlipSizes()([
        make_record(sound=False), make_record("psnr", attack=None, run="b" * 12),
        make_record("ssim", certifier=None, run="c" * 12),
        changed(make_record(run="d" * 12), spec={"move": "left"}),
    ]) == []  # fmt: skip


def test_the_share_of_images_moved_farther_than_their_change(make_record) -> None:
    record = make_record("a", n=4, eps=(1.0, 2.0))
    d_self = [1.2, 0.9, 1.00001, 0.5, 1.2, 2.5, 3.5, 0.0]
    size = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 0.0]
    (chart,) = Violation()([changed(record, d_self=d_self, size=size)])
    (panel,) = chart.panels
    assert (panel.groups, panel.series) == (("a (n = 3 to 4)",), ("within l2 eps 1", "within l2 eps 2"))
    assert "until the answer flipped, often by far less: a." in chart.notes[1]
    low, high = (100 * end for end in proportion_confint(2, 3, method="wilson"))
    first, second = panel.cells[0]
    assert (first.value, first.n) == (25, 4), "round-off is no violation"
    assert (second.value, second.low, second.high, second.n) == (pytest.approx(200 / 3), low, high, 3), "unchanged: out"


def test_a_violation_is_that_of_the_attack_that_shows_most(make_record) -> None:
    one = changed(make_record("a", n=2, eps=(1.0,)), d_self=[2.0, 0.5], size=1.0)
    two = changed(make_record("a", n=2, eps=(1.0,), attack="l2-pgd", run="b" * 12), d_self=[2.0, 3.0], size=1.0)
    for records in ([one, two], [two, one]):
        assert Violation()(records)[0].panels[0].cells[0][0].value == 100


def test_pushes_count_before_flips_and_many_images_before_few(make_record) -> None:
    flip = changed(make_record("a", n=8, eps=(1.0,), run="a" * 12), d_self=5.0, size=0.1)
    few = changed(pushed(make_record, "a", [9.0, 9.0], cosine=True, run="b" * 12), size=1.0)
    many = changed(pushed(make_record, "a", [2.0, 0.5, 0.5, 0.5], cosine=True, run="c" * 12), size=1.0)
    pulled = changed(few, spec={"goal": "pull"})
    for records in ([flip, few, many, pulled], [pulled, many, few, flip]):
        (chart,) = Violation()(records)
        (panel,) = chart.panels
        assert panel.groups == ("a (n = 4)",)
        assert panel.cells[0][0].value == 25
        assert not any("flipped" in note for note in chart.notes)
    (chart,) = Violation()([many, changed(flip, spec={"metric": "b"})])
    assert chart.panels[0].groups == ("b (n = 8)", "a (n = 4)")
    assert chart.notes[1].endswith("often by far less: b.")
    assert Violation()([pulled]) == []


def test_violations_of_repeated_references_count_references(make_record) -> None:
    """Eight images of two references, one of which is always violated: as two independent ones (Kish), not eight."""
    record = pushed(make_record, "a", [2.0] * 4 + [0.5] * 4, cosine=True, run="a" * 12)
    record.facts["references"] = {f"t{i}": "first" if i < 4 else "second" for i in range(8)}
    cell = Violation()([changed(record, size=1.0)])[0].panels[0].cells[0][0]
    low, high = proportion_confint(4, 8, method="wilson")
    assert (cell.value, cell.n) == (50, 8)
    assert cell.low < 100 * low
    assert cell.high > 100 * high


def test_metrics_without_a_zero_and_other_threats_are_left_out_of_violations(make_record) -> None:
    fine = changed(make_record("fine", n=2, eps=(1.0,)), d_self=[2.0, 0.5], size=1.0)
    decibel = changed(make_record("psnr", n=2, eps=(1.0,), run="b" * 12), d_self=-40.0, size=1.0)
    linf = changed(make_record("linf", n=2, eps=(1.0,), norm="linf", run="c" * 12), d_self=5.0, size=1.0)
    left = changed(make_record("left", n=2, eps=(1.0,), run="d" * 12), spec={"move": "left"}, d_self=5.0, size=1.0)
    (chart,) = Violation()([fine, decibel, linf, left])
    assert chart.panels[0].groups == ("fine (n = 2)",)
    assert chart.notes[-1].endswith("the distance 0: psnr.")
    assert Violation()([decibel, linf, left]) == []


def test_where_nothing_is_violated_a_table_says_so(make_record) -> None:
    (table,) = Violation()([make_record(n=4, eps=(1.0,))])
    assert isinstance(table, Table)
    assert table.rows[0][0] == "lipsim (n = 4)"
    assert (table.rows[0][1].value, table.rows[0][1].n) == (0, 4)


SIDE = 6


def sheet_of(make_record, tmp_path, d_self, delta, *, moved="reference", near=None, judged=None):
    """One saved triplet of mid-grey whose first pixel was changed by delta."""
    record = make_record(n=1, natural=1.0, eps=(0.1, 0.4))
    grey, left, right = (np.full((3, SIDE, SIDE), value, np.float32) for value in (0.5, 0.25, 0.75))
    adversarial = np.stack([grey, grey])
    adversarial[1, 0, 0, 0] += delta
    size = np.array([0.0, abs(delta) if judged is None else judged])
    record = changed(record, d_self=[0.0, d_self], size=size, robust=False, spec={"move": moved})
    other = () if near is None else (np.full_like(grey, near), 0.44)
    save(tmp_path / record.run, 0, SavedTriplet("t0", (0.1, 0.4), grey, left, right, adversarial, moved, *other))
    return replace(record, folder=tmp_path / record.run)


def test_a_sheet_shows_the_images_and_what_was_measured(make_record, tmp_path) -> None:
    (sheet,) = Sheets()([sheet_of(make_record, tmp_path, 0.45, 0.25, near=0.75)])
    ((original, attacked, difference, other),) = sheet.rows
    assert original.caption == "reference of t0"
    assert attacked.caption == "d(x, x + delta) = 0.45; answer flipped"
    assert difference.caption == "|delta| = 0.25 (l2), x 2"
    assert other.caption == "d(x, y) = 0.44, attacked 0.45"
    assert "equal" not in sheet.notes[0]
    assert sheet.line == "triplet"
    assert "of a few the one whose distance from x is nearest" in sheet.notes[0]
    assert (other.pixels == 191).all()
    assert original.pixels.shape == (SIDE, SIDE, 3)
    np.testing.assert_array_equal(attacked.pixels[0, 0], [191, 128, 128])
    assert (attacked.pixels[1:] == 128).all()
    np.testing.assert_array_equal(difference.pixels[0, 0], [255, 128, 128])


def test_of_images_alone_a_sheet_counts_images(make_record, tmp_path) -> None:
    record = sheet_of(make_record, tmp_path, 0.45, 0.25)
    (sheet,) = Sheets()([replace(record, facts={**record.facts, "answers": False})])
    assert sheet.line == "image"


def test_small_changes_are_amplified_and_the_factor_is_named(make_record, tmp_path) -> None:
    (sheet,) = Sheets()([sheet_of(make_record, tmp_path, 0.1, -0.004)])
    difference = sheet.rows[0][2]
    assert difference.caption.endswith("x 100")
    np.testing.assert_allclose(difference.pixels[0, 0].astype(int), [0.1 * 255, 128, 128], atol=1)


def test_images_that_were_not_judged_or_not_changed_are_not_shown(make_record, tmp_path) -> None:
    assert Sheets()([sheet_of(make_record, tmp_path, 0.1, 0.25, judged=0.3)]) == []
    assert Sheets()([sheet_of(make_record, tmp_path, 0.1, 0.0)]) == []
    assert Sheets()([make_record()]) == []


def test_flipped_answers_come_first(make_record, tmp_path) -> None:
    record = make_record(n=6, natural=1.0, eps=(0.4,))
    grey = np.full((3, SIDE, SIDE), 0.5, np.float32)
    for i in range(6):
        adversarial = grey[None].copy()
        adversarial[0, 0, 0, 0] += 0.25
        save(tmp_path / record.run, i, SavedTriplet(f"t{i}", (0.4,), grey, grey, grey, adversarial))
    robust = [True, False, True, False, True, False]
    record = replace(changed(record, size=0.25, robust=robust), folder=tmp_path / record.run)
    (sheet,) = Sheets()([record])
    assert [row[0].caption[-2:] for row in sheet.rows] == ["t1", "t3", "t5", "t0"]


def under(make_record, tmp_path, threat, run, *, ids=("t0", "t1"), size=0.25):
    """A run under a threat that kept some triplets, each with one pixel changed."""
    record = make_record(n=6, natural=1.0, eps=(0.1, 0.4), run=run)
    norm = threat if threat in ("l2", "linf") else None
    record = changed(record, size=size, robust=False, spec={"threat": threat, "norm": norm, "eps_unit": "pixels"})
    record = replace(record, samples=record.samples.assign(change_ssim=0.875, change_l2=0.25))
    for i, name in enumerate(ids):
        grey = np.full((3, SIDE, SIDE), 0.5, np.float32)
        adversarial = np.stack([grey, grey])
        adversarial[1, 0, 0, 0] += 0.25
        save(tmp_path / run, i, SavedTriplet(name, (0.1, 0.4), grey, grey, grey, adversarial))
    return replace(record, folder=tmp_path / run)


def test_a_sheet_has_a_line_a_threat_and_a_column_a_triplet_that_all_have(make_record, tmp_path) -> None:
    records = [
        under(make_record, tmp_path, "l2", "a" * 12, ids=("t0", "t1", "t2")),
        under(make_record, tmp_path, "spatial(tv=0.1)", "b" * 12, ids=("t2", "t1")),
    ]
    (sheet,) = ThreatSheets()(records)
    assert sheet.columns == ("triplet 1", "triplet 2")
    assert sheet.line == "line", "the clean images and a threat each"
    clean, ball, flow = sheet.rows
    assert [picture.caption for picture in clean] == ["reference of t1, clean", "reference of t2, clean"]
    assert (clean[0].pixels == 128).all()
    np.testing.assert_array_equal(ball[0].pixels[0, 0], [191, 128, 128])
    assert flow[0].caption.startswith("spatial 0.4: d = ")
    assert flow[0].caption.endswith(", flipped; l2 0.25, SSIM 0.88")
    assert "eps of spatial(tv=0.1): pixels." in sheet.notes


def test_one_threat_or_no_common_triplet_is_no_sheet_by_threat(make_record, tmp_path) -> None:
    one = under(make_record, tmp_path, "l2", "a" * 12, ids=("t0",))
    assert ThreatSheets()([one]) == []
    assert ThreatSheets()([one, under(make_record, tmp_path, "spatial", "b" * 12, ids=("t1",))]) == []
    assert ThreatSheets()([make_record()]) == []


def test_charts_of_data_sets_with_like_names_get_files_of_their_own(make_record) -> None:
    records = [make_record(data="csv:a.b"), make_record(data="csv:a-b", run="b" * 12)]
    for report in (Alignment(), FlipSizes()):
        names = [block.name for block in report(records)]
        assert len(set(names)) == len(names) == 2
        assert all(isinstance(block, Chart) for block in report(records))
