"""The baseline file: written and read the same, and nothing damaged is believed."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from baselines import baseline, run
from made_up_task import pairs_record

from perceptbench.core.errors import UserError
from perceptbench.core.spec import Options
from perceptbench.results.gate.baseline import run_of
from perceptbench.results.gate.baseline_file import read, write
from perceptbench.results.gate.worse import compare
from perceptbench.results.record import COLUMNS, Record

ROOT = Path(__file__).parents[2]


def record(**spec: object) -> Record:
    """Two triplets at two budgets: one right, certified to 1.5 and broken at 2; one wrong."""
    rows = [
        {"id": name, "eps": eps, "correct": right, "radius": radius, "robust": stood}
        for eps in (1.0, 2.0)
        for name, right, radius, stood in (("a", True, 1.5, eps < 2), ("b", False, 0.0, False))
    ]
    frame = pd.DataFrame(rows, index=[3, 1, 0, 2]).reindex(columns=list(COLUMNS))
    full = {"metric": "m", "data": "d", "attack": "l2-pgd", "certifier": "margin", "norm": "l2", "eps": [1.0, 2.0]}
    return Record(run="0" * 12, spec={**full, **spec}, provenance={}, samples=frame)


def test_outcomes_of_a_record_are_read_off_by_hand() -> None:
    found = run_of(record())
    assert dict(found.outcomes) == {"a": "1 10 10", "b": "0 00 00"}
    assert found.scores == {"natural": [50.0], "certified": [50.0, 0.0], "attacked": [50.0, 0.0]}
    assert dict(run_of(record(certifier=None)).outcomes) == {"a": "1 - 10", "b": "0 - 00"}
    assert dict(run_of(record(attack=None)).outcomes) == {"a": "1 10 -", "b": "0 00 -"}


def test_mean_distances_have_no_place_in_a_baseline() -> None:
    with pytest.raises(UserError, match="mean distances"):
        run_of(replace(record(), facts={"unit": "distance"}))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = replace(baseline(run(["1 11 -", "0 00 -"])), tolerance=3.5, alpha=0.01, audit_images=4)
    write(made, tmp_path / "b.json")
    assert read(tmp_path / "b.json") == made


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("schema",), 99, "schema 99"),
        (("runs",), [], "no runs"),
        (("runs",), {}, "'runs' should be list"),
        (("alpha",), 0, "'alpha' should be a number"),
        (("alpha",), float("nan"), "'alpha' should be a number"),
        (("tolerance",), "2", "'tolerance' should be a number"),
        (("tolerance",), True, "'tolerance' should be a number"),
        (("audit_images",), 10**9, "'audit_images' should be a number"),
        (("reason",), "a\nb", "cannot be printed"),
        (("runs", 0), 1, "a run should be an object"),
        (("runs", 0, "spec", "metric"), 1, "'metric' should be str"),
        (("runs", 0, "spec", "metric"), "psnr\x1b[2J", "cannot be printed"),
        (("runs", 0, "spec", "attack"), 1, "should say 'attack'"),
        (("runs", 0, "spec", "certifier"), None, "neither attack nor certifier"),
        (("runs", 0, "spec", "limit"), "8", "should say 'limit'"),
        (("runs", 0, "spec", "skip_certified"), None, "should say 'skip_certified'"),
        (("runs", 0, "spec", "eps"), [2.0, 1.0], "sorted list"),
        (("runs", 0, "spec", "eps"), [0.0, 1.0], "sorted list"),
        (("runs", 0, "outcomes", "t0"), "1 1 -", "do not fit"),
        (("runs", 0, "outcomes", "t0"), "1 11 11", "do not fit"),
        (("runs", 0, "outcomes", "t0"), "1 00 -", "not those of its outcomes"),
        (("runs", 0, "outcomes"), {}, "do not fit"),
        (("runs", 0, "scores", "natural"), [51.0], "not those of its outcomes"),
    ],
)
def test_damage_is_refused_in_a_sentence(tmp_path: Path, path: tuple, value: object, sentence: str) -> None:
    file = tmp_path / "b.json"
    write(baseline(run(["1 11 -", "0 00 -"])), file)
    content = json.loads(file.read_text())
    at = content
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=sentence):
        read(file)


@pytest.mark.parametrize("option", sorted(Options().options()))
def test_every_option_must_be_said(tmp_path: Path, option: str) -> None:
    file = tmp_path / "b.json"
    write(baseline(run(["1 11 -"])), file)
    content = json.loads(file.read_text())
    del content["runs"][0]["spec"][option]
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=option):
        read(file)


@pytest.mark.parametrize("text", ["", "[", "[]", "[" * 100_000, "\x00"])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(UserError, match=r"b\.json is no baseline"):
        read(tmp_path / "b.json")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found no baseline .* --update --reason TEXT"):
        read(tmp_path / "b.json")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(baseline(run(["1 11 -"])), tmp_path / "b.json")
    monkeypatch.setattr("perceptbench.results.gate.baseline.MAX_JSON_BYTES", 100)
    with pytest.raises(UserError, match="it is larger than"):
        read(tmp_path / "b.json")


def test_a_baseline_from_before_tasks_and_threats_is_read_as_one_of_preference(tmp_path: Path) -> None:
    made = baseline(run(["1 11 -"], norm="linf", threat="linf"))
    write(made, tmp_path / "b.json")
    content = json.loads((tmp_path / "b.json").read_text())
    for key in ("task", "threat"):
        del content["runs"][0]["spec"][key]
    (tmp_path / "b.json").write_text(json.dumps(content))
    assert read(tmp_path / "b.json") == made


def test_a_threat_that_is_no_ball_is_compared_by_its_name(tmp_path: Path) -> None:
    made = baseline(run(["1 11 -"] * 3, norm=None, threat="shift(step=2)"))
    write(made, tmp_path / "b.json")
    known = read(tmp_path / "b.json")
    assert {one.threat for one in compare(known, known.runs)} == {"", "shift(step=2)"}


def test_other_tasks_have_no_place_in_a_baseline() -> None:
    with pytest.raises(UserError, match=r"is of the task made-up\(tau=0.3\); leave it out"):
        run_of(pairs_record())
