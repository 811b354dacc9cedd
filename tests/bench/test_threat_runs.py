"""Runs under threats that are no balls: certificates in their own size, and what tables say where there are none."""

import json
from pathlib import Path

import pytest

from perceptbench.attacks.threats.spatial import Spatial

WORDS = ("run", "--metric", "l2", "--attack", "apgd-ce(steps=15)", "--limit", "3", "--json")


@pytest.mark.parametrize(
    ("threat", "eps"),
    [("spatial", "0.002,0.01,4"), ("affine", "0.001,2"), ("colour", "0.0005,0.1"), ("frequency", "0.1,3")],
)  # fmt: skip
def test_a_run_claims_radii_in_the_unit_of_the_threat_and_attacks_stay_outside(bench, data, tmp_path, threat, eps):
    """Certified samples are attacked too: a flip inside a radius would stop the run."""
    rows = json.loads(
        bench(*WORDS, "--data", data, "--threat", threat, "--eps", eps, "--no-skip-certified", "--runs", tmp_path)
    )["rows"]
    scores = {(row["kind"], row["eps"]): row["score"] for row in rows}
    least, largest = (float(eps.split(",")[i]) for i in (0, -1))
    assert scores["certificate", least] > 0
    assert scores["certificate", least] <= scores["attack", least]
    assert {row["threat"] for row in rows} == {None, threat}
    assert {row["norm"] for row in rows} == {None}
    assert len({row["eps_unit"] for row in rows} - {None}) == 1
    if threat != "frequency":
        assert ("certificate", largest) not in scores, "where the bound says nothing there is no score of 0"


def test_where_nothing_is_proved_tables_say_so_and_how_far_the_proof_reaches(bench, data, tmp_path):
    words = [word for word in WORDS if word != "--json"]
    said = bench(*words, "--data", data, "--threat", "spatial", "--eps", "0.002,4", "--runs", tmp_path / "runs")
    assert "no proof" in said
    assert "l2 on csv:" in said
    assert "certified radii under spatial have the median" in said
    bench("report", "--runs", tmp_path / "runs", "--to", tmp_path / "report")
    (certified,) = (
        block
        for block in (tmp_path / "report" / "report.md").read_text().split("\n## ")
        if block.startswith("Certified")
    )
    assert "no proof" in certified
    assert "pixels, the largest displacement" in certified


def test_the_roc_curve_has_no_proof_by_image(bench, tmp_path):
    words = ("run", "--metric", "l2", "--task", "roc", "--data", "copies", "--eps", "1", "--threat", "spatial")
    said = bench.refusal(*words, "--attack", "pgd(steps=2)", "--limit", 4, "--certifier", "paper", "--runs", tmp_path)
    assert "nothing is proved of --task roc under --threat spatial; leave paper out" in said


def test_distances_have_intervals_and_radii_in_the_unit_of_a_threat(bench, data):
    folder = Path(data.removeprefix("csv:")).parent
    pair = (folder / "3_ref.png", folder / "3_left.png", "--metric", "l2")
    side = (3 * 224 * 224) ** 0.5
    plain = json.loads(bench("distance", *pair, "--tau", "1000", "--eps", "0.5", "--json"))
    frequency, colour, spatial = (
        json.loads(bench("distance", *pair, "--tau", "1000", "--eps", eps, "--threat", name, "--json"))
        for name, eps in (("frequency", "0.5"), ("colour", repr(0.5 / side)), ("spatial", "0.01"))
    )
    for key in ("low", "high"):
        assert frequency[key] == pytest.approx(plain[key])
        assert colour[key] == pytest.approx(plain[key])
    assert frequency["radius"] == pytest.approx(plain["radius"])
    assert colour["radius"] == pytest.approx(plain["radius"] / side)
    assert spatial["low"] < spatial["distance"] < spatial["high"]
    assert (spatial["norm"], spatial["threat"], spatial["eps_unit"]) == (None, "spatial", Spatial.unit)
    words = bench("distance", *pair, "--eps", "0.01", "--threat", "spatial")
    assert "of spatial size up to 0.01 (pixels, the largest displacement)" in words
