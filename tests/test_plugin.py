"""The example of a plug-in, installed and run as its users would: nothing of ours knows it."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from installed import Installed

PLUGIN = Path(__file__).parent / "plugin"
PAIRS = ("--data", "photo-pairs", "--limit", 4, "--task", "pairs-below")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(PLUGIN, tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def runs(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: ssim under shifts, and lipsim, which can be certified, in the l2 ball."""
    folder = tmp_path_factory.mktemp("runs")
    shift = ("--metric", "ssim", "--tau", 0.3, "--threat", "shift", "--attack", "pgd(steps=10)", "--eps", "0.5,4")
    ball = ("--metric", "lipsim", "--tau", 0.1, "--threat", "l2", "--attack", "pgd(steps=5)", "--eps", "0.5,8")
    for name, words in (("shift", shift), ("ball", ball)):
        said = installed.bench("run", *words, *PAIRS, "--runs", folder / "runs", "--json")
        (folder / f"{name}.json").write_text(said)
    return folder


def rows_of(runs: Path, name: str) -> list[dict]:
    """The rows that a run printed."""
    return json.loads((runs / f"{name}.json").read_text())["rows"]


def samples_of(runs: Path, name: str) -> pd.DataFrame:
    """Its samples."""
    return pd.read_parquet(runs / "runs" / rows_of(runs, name)[0]["run"] / "samples.parquet")


def test_a_run_under_shifts_has_rows_in_pixels_and_no_certificate(runs):
    natural, *attacked = rows_of(runs, "shift")
    samples = samples_of(runs, "shift")
    assert (natural["kind"], natural["n"], natural["task"]) == ("natural", 4, "pairs-below(tau=0.3)")
    assert natural["score"] == 100 * (samples["d"] <= 0.3).mean()
    assert [(row["kind"], row["eps"]) for row in attacked] == [("attack", 0.5), ("attack", 4.0)]
    assert {(row["threat"], row["norm"], row["eps_unit"]) for row in attacked} == {("shift", None, "pixels")}
    assert natural["score"] >= attacked[0]["score"] > attacked[1]["score"], "four pixels must part more pairs"
    assert (samples["size"] <= samples["eps"]).all()
    assert (samples["robust"] == ((samples["d"] <= 0.3) & (samples["d_adv"] <= 0.3))).all()


def test_a_run_in_a_ball_has_certificates_too(runs):
    rows, samples = rows_of(runs, "ball"), samples_of(runs, "ball")
    scores = {(row["kind"], row["eps"]): row["score"] for row in rows}
    assert set(scores) == {("natural", None), *((kind, eps) for kind in ("attack", "certificate") for eps in (0.5, 8))}
    for eps in (0.5, 8):
        assert scores["certificate", eps] <= scores["attack", eps] <= scores["natural", None]
    assert scores["certificate", 0.5] > 0
    assert ((samples["radius"] > 0) == samples["below"]).all()
    assert {row["sound"] for row in rows if row["kind"] == "certificate"} == {True}


def test_its_runs_are_gated_without_an_edit_elsewhere(installed, runs):
    file, shift, name = runs / "baseline.json", samples_of(runs, "shift"), rows_of(runs, "shift")[0]["run"]
    shutil.copytree(runs / "runs" / name, runs / "alone" / name)
    words = ("check", "--baseline", file, "--runs", runs / "alone", "--device", "cpu")
    installed.bench(*words, "--update", "--reason", "pairs")
    (kept,) = json.loads(file.read_text())["runs"]
    for name, mine in shift.groupby("id"):
        natural, _, attacked, margin, _ = kept["outcomes"][name].split(" ")
        assert (natural, attacked) == (
            str(int(mine["below"].iloc[0])),
            "".join(str(int(one)) for one in mine["robust"]),
        )
        d = mine["d"].iloc[0]
        assert float(margin) == pytest.approx(abs(d - 0.3) / max(d, 0.3), rel=0.01)
    said = installed.bench(*words, "--floor", "natural>=0", "--json")
    scores = json.loads(said)["scores"]
    assert {(score["task"], score["verdict"]) for score in scores} == {("pairs-below(tau=0.3)", "same")}


def test_every_format_of_the_report_has_its_tables_and_the_unit(installed, runs):
    to = runs / "report"
    installed.bench("report", "--runs", runs / "runs", "--to", to, "--format", "md,latex,html,csv")
    for name in ("report.md", "report.html"):
        text = (to / name).read_text()
        assert "pairs-below(tau=0.3) score after shift attacks on photo-pairs" in text, name
        assert "eps of shift: pixels." in text, name
        assert "Certified pairs-below(tau=0.1) score, l2, on photo-pairs" in text, name
    for name in ("attacked_pairs-below-tau-0-3_shift_photo-pairs", "certified_pairs-below-tau-0-1_l2_photo-pairs"):
        assert f"tables/{name}" in (to / "report.tex").read_text()
        assert ("of shift: pixels." in (to / "tables" / f"{name}.tex").read_text()) == ("shift" in name)
    rows = pd.read_csv(to / "rows.csv")
    assert set(rows.loc[rows["threat"] == "shift", "eps_unit"]) == {"pixels"}
    assert (to / "tables" / "attacked_pairs-below-tau-0-3_shift_photo-pairs.csv").exists()


def test_it_is_listed_and_its_option_is_one_of_the_command(installed):
    kinds = {"tasks": "pairs-below", "threats": "shift", "data": "photo-pairs"}
    program = (
        "from perceptbench.bench.commands.listing import Kind, ListRequest, listing\n"
        f"for kind in {list(kinds)}: listing(ListRequest(kind=Kind(kind)))"
    )
    said = installed.python("-c", program)
    for kind, name in kinds.items():
        assert name in said.partition(f"perceptbench: {kind}")[2].partition("perceptbench: ")[0]
    assert "--tau" in installed.bench("run", "--help")


def test_what_it_has_no_images_of_is_refused_in_a_sentence(installed):
    words = ("run", "--metric", "l2", *PAIRS, "--threat", "shift", "--attack", "pgd", "--eps", 1, "--save-images", 1)
    with pytest.raises(AssertionError, match="--save-images keeps images of triplets, and photo-pairs has pairs"):
        installed.bench(*words)


def test_the_contracts_hold(installed):
    said = installed.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_contracts.py")
    assert " passed" in said
    assert "failed" not in said
