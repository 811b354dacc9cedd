"""The folder a reader opens."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from perceptbench.core.errors import UserError
from perceptbench.reports.newest import newest_runs
from perceptbench.reports.tables.headline import opening
from perceptbench.reports.write import write_report


def test_the_document_says_what_ran_and_shows_its_pictures(four_metrics, tmp_path) -> None:
    paths = write_report(four_metrics, tmp_path)
    assert {path.suffix for path in paths} == {".md", ".png", ".pdf"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
    document = paths[0].read_text()
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", document):
        assert (tmp_path / picture).exists()
    assert "l2 norm over all pixels and channels of a 224 x 224 x 3 image" in document
    for word in (
        "| attack | l2-aa: steps 100 |",
        "apgd-ce (starts 3",
        "n = 64, 3 ties",
        "d" * 64,
        "torch 2.9.0",
        "f" * 40,
        "sound for this",
    ):
        assert word in document
    assert "photos: constructed, not human." in document.partition("##")[0]
    for record in four_metrics:
        assert f"## Run {record.run}" in document


def test_the_headline_gives_the_scores_at_the_largest_eps(four_metrics, tmp_path) -> None:
    document = write_report(four_metrics, tmp_path)[0].read_text()
    samples = four_metrics[0].samples
    last = samples[samples["eps"] == 3]
    natural, attacked, proved = (100 * x.mean() for x in (last["correct"], last["robust"], last["radius"] > 3))
    assert f"lipsim from {natural:.1f} to {attacked:.1f} [" in document
    assert f"at least {proved:.1f} whatever the attack" in document


def test_nothing_to_report_says_what_to_run(four_metrics, tmp_path) -> None:
    with pytest.raises(UserError, match="first: bench run"):
        write_report([], tmp_path)
    with pytest.raises(UserError, match="first: bench run"):
        write_report([replace(four_metrics[0], status="failed")], tmp_path)


def test_an_unknown_format_names_the_known_ones(four_metrics, tmp_path) -> None:
    with pytest.raises(UserError, match="unknown report format pdf; known: md, latex, html, csv"):
        write_report(four_metrics, tmp_path, ("md", "pdf"))
    assert list(tmp_path.iterdir()) == []


def test_formats_lie_side_by_side_and_show_the_same_pictures(four_metrics, tmp_path) -> None:
    paths = write_report(four_metrics, tmp_path, ("md", "latex", "csv"))
    names = {str(path.relative_to(tmp_path)) for path in paths}
    assert {"report.md", "report.tex", "rows.csv", "runs.csv", "published.csv"} <= names
    assert {name.removesuffix(".tex") for name in names if name.startswith("tables/") and name.endswith(".tex")} == {
        name.removesuffix(".csv") for name in names if name.startswith("tables/") and name.endswith(".csv")
    }
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == names
    shown = re.findall(r"\\includegraphics\[.*?\]\{(.*?)\}", (tmp_path / "report.tex").read_text())
    assert shown == ["robustness_curve_photos", "alignment_photos", "flip_sizes_photos"]
    assert {f"{name}.{form}" for name in shown for form in ("png", "pdf")} <= names
    assert re.findall(r"\\input\{(.*?)\}", (tmp_path / "report.tex").read_text())[0].startswith("tables/leaderboard")


def test_no_pictures_lie_beside_formats_that_show_none(four_metrics, tmp_path) -> None:
    paths = write_report(four_metrics, tmp_path, ("html", "csv"))
    assert {path.suffix for path in paths} == {".html", ".csv"}


def test_the_headline_compares_with_the_score_of_the_same_images(make_record) -> None:
    plain = make_record(run="a" * 12, natural=0.9)
    for year in ("2025", "2027"):
        rounded = make_record(run="b" * 12, natural=0.5, time=f"{year}-01-01T00:00:00+00:00")
        rounded = replace(rounded, spec={**rounded.spec, "quantize": "8bit"})
        sentence = opening([plain, rounded])[0]
        assert f"lipsim from {100 * plain.samples['correct'].mean():.1f} to" in sentence


def test_of_many_metrics_the_opening_names_the_best(make_record, tmp_path) -> None:
    records = [make_record(f"m{i}", run=f"{i:012x}", n=8, eps=(1.0,)) for i in range(6)]
    document = write_report([*records, make_record("few", run="f" * 12, n=4)], tmp_path)[0].read_text()
    assert "; 2 more in the leaderboard." not in document.partition("##")[0]
    assert "few from" in document.partition("##")[0]
    document = write_report(records, tmp_path)[0].read_text()
    assert "; 2 more in the leaderboard." in document.partition("##")[0]


def test_a_file_in_the_place_of_the_folder_is_named(four_metrics, tmp_path) -> None:
    (tmp_path / "report").write_text("")
    with pytest.raises(UserError, match="cannot write the report"):
        write_report(four_metrics, tmp_path / "report")


def test_runs_with_old_weights_are_left_out_and_named(make_record, tmp_path) -> None:
    old = make_record(run="a" * 12, weights="old", natural=0.5)
    other = make_record(run="b" * 12, weights="old", attack="l2-pgd")
    new = make_record(run="c" * 12, weights="new", time="2026-02-01T00:00:00+00:00")
    kept, replaced = newest_runs([old, other, new])
    assert [record.run[0] for record in kept] == ["c"]
    assert {record.run[0] for record in replaced} == {"a", "b"}
    document = write_report([old, other, new], tmp_path)[0].read_text()
    assert f"newer runs replace them: {'a' * 12}, {'b' * 12}" in document
    assert "l2-pgd" not in document


def test_other_data_and_other_weights_are_left_out_whatever_metric_and_limit(make_record) -> None:
    later = {"time": "2026-02-01T00:00:00+00:00"}
    ssim, psnr = make_record("ssim", run="a" * 12), make_record("psnr", run="b" * 12, **later)
    psnr.spec["fingerprints"]["data"] = "n" * 64
    assert newest_runs([ssim, psnr]) == ([psnr], [ssim])
    old, new = make_record(run="a" * 12, weights="old"), make_record(run="b" * 12, n=8, weights="new", **later)
    new.spec["limit"] = 8
    assert newest_runs([old, new]) == ([new], [old])
    old, new = make_record(run="a" * 12), make_record(run="b" * 12, n=8, **later)
    new.spec["limit"] = 8
    assert newest_runs([old, new]) == ([new, old], []), "a limit replaces nothing"
    elsewhere = make_record(run="c" * 12, data="nights:x", weights="new", time="2026-03-01T00:00:00+00:00")
    assert newest_runs([old, elsewhere]) == ([elsewhere], [old]), "weights belong to the metric, on all data"


def test_of_two_answers_to_one_question_the_newer_is_shown(make_record) -> None:
    old, new = make_record(run="f" * 12), make_record(run="a" * 12, time="2026-02-01T00:00:00+00:00")
    kept, replaced = newest_runs([new, old])
    assert (kept, replaced) == ([new], [old])


def test_reports_need_no_torch() -> None:
    code = (
        "import sys, perceptbench.reports.write; from perceptbench.reports.base import report; report.names()\n"
        "import perceptbench.reports.formats.png_pdf\n"
        "loaded = {name.removeprefix('perceptbench.').partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'torch', 'attacks', 'certifiers', 'metrics', 'triplets', 'training', 'bench'}, loaded"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)


@pytest.mark.parametrize(("sound", "words"), [(True, "margin; sound for this metric"), (False, "margin; NOT sound")])
def test_every_run_says_whether_its_certificates_are_promises(make_record, tmp_path, sound: bool, words: str) -> None:
    assert words in write_report([make_record(sound=sound)], tmp_path)[0].read_text()
