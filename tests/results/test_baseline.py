"""The baseline file: written and read the same, and nothing damaged is believed."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from baselines import MACHINE, baseline, run
from made_up_task import pairs_record, registered

from perceptbench.core.errors import UserError
from perceptbench.core.spec import Options
from perceptbench.results.gate.baseline import BaselineRun, run_of
from perceptbench.results.gate.baseline_file import read, write
from perceptbench.results.gate.worse import compare
from perceptbench.results.record import COLUMNS, Record

ROOT = Path(__file__).parents[2]


def record(**spec: object) -> Record:
    """Two triplets at two budgets: one right, certified to 1.5 and broken at 2; one wrong."""
    rows = [
        {"id": name, "eps": eps, "correct": right, "radius": radius, "robust": stood, "d0": 0.1, "d1": 0.4}
        for eps in (1.0, 2.0)
        for name, right, radius, stood in (("a", True, 1.5, eps < 2), ("b", False, 0.0, False))
    ]
    frame = pd.DataFrame(rows, index=[3, 1, 0, 2]).reindex(columns=list(COLUMNS))
    full = {"metric": "m", "data": "d", "attack": "l2-pgd", "certifier": "margin", "norm": "l2", "eps": [1.0, 2.0]}
    return Record(run="0" * 12, spec={**full, **spec}, provenance={}, samples=frame)


def words(found: BaselineRun) -> dict[str, str]:
    return {name: one.word(found.natural, found.attacked) for name, one in found.outcomes.items()}


def test_outcomes_of_a_record_are_read_off_by_hand() -> None:
    found = run_of(record())
    assert words(found) == {"a": "1 10 10 0.75 1.5", "b": "0 00 00 0.75 0"}
    assert found.scores == {"natural": [50.0], "certified": [50.0, 0.0], "attacked": [50.0, 0.0]}
    assert words(run_of(record(certifier=None))) == {"a": "1 - 10 0.75 -", "b": "0 - 00 0.75 -"}
    assert words(run_of(record(attack=None))) == {"a": "1 10 - 0.75 1.5", "b": "0 00 - 0.75 0"}


def test_machine_and_confidence_are_kept_where_a_record_says_them() -> None:
    provenance = {"cpu": "x", "device": "cpu", "threads": 2, "versions": {"torch": "2"}, "time": "now", "commit": "c"}
    found = run_of(replace(record(), provenance=provenance, facts={"confidence": 1.0, "references": {"a": "r"}}))
    assert found.machine == {"cpu": "x", "device": "cpu", "threads": 2, "versions": {"torch": "2"}}
    assert (found.confidence, found.references) == (1.0, {"a": "r"})
    assert run_of(replace(record(), provenance={"device": "cpu"})).machine == {}


def test_a_radius_has_the_digits_that_its_rounding_needs() -> None:
    frame = record().samples.assign(radius=[1.23456789, 0.0, 0.0, 1.23456789])
    assert words(run_of(replace(record(), samples=frame)))["a"].endswith("1.23457")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = run(["1 11 - 0.5 inf", "0 00 - 1e-05 0.25"], machine=MACHINE)
    made = replace(baseline(kept), tolerance=3.5, alpha=0.01, audit_images=4)
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
        (("runs", 0, "spec", "metric"), 1, "spec.metric should be a name"),
        (("runs", 0, "spec", "metric"), "psnr\x1b[2J", "spec.metric should be a name"),
        (("runs", 0, "spec", "attack"), 1, "spec.attack should be a name or null"),
        (("runs", 0, "spec", "certifier"), None, "neither attack nor certifier"),
        (("runs", 0, "spec", "limit"), "8", "spec.limit should be a whole number"),
        (("runs", 0, "spec", "skip_certified"), None, "spec.skip_certified should be true or false"),
        (("runs", 0, "spec", "eps"), [2.0, 1.0], "sorted list"),
        (("runs", 0, "spec", "eps"), [0.0, 1.0], "sorted list"),
        (("runs", 0, "spec", "eps"), [1.0, 1.0], "sorted list"),
        (("runs", 0, "spec", "eps"), [1.0, float("inf")], "sorted list"),
        (("runs", 0, "spec", "goal"), "flop", "spec.goal should be 'flip'"),
        (("runs", 0, "spec", "norm"), "l3", "spec.norm should be 'l2' or 'linf' or null"),
        (("runs", 0, "spec", "arguments"), {"attack": 1}, "spec.arguments should be an object"),
        (("runs", 0, "outcomes", "t0"), "1 1 - - -", "do not fit"),
        (("runs", 0, "outcomes", "t0"), "1 11 11 - -", "do not fit"),
        (("runs", 0, "outcomes", "t0"), "1 00 - - -", "not those of its outcomes"),
        (("runs", 0, "outcomes", "t0"), "1 11 - -", "expected five words"),
        (("runs", 0, "outcomes", "t0"), "2 11 - - -", "expected zeros and ones"),
        (("runs", 0, "outcomes", "t0"), "- 11 - - -", "expected one natural value"),
        (("runs", 0, "outcomes", "t0"), "1 11 - -0.5 -", "no negative margin"),
        (("runs", 0, "outcomes", "t0"), "1 11 - - nan", "expected a number"),
        (("runs", 0, "outcomes", "t0"), "1 11 - - x", "could not convert"),
        (("runs", 0, "outcomes", "t0"), "1 11 - - 1.5", "radius of 't0' is not what its certified outcomes say"),
        (("runs", 0, "confidence"), 2, "'confidence' should be"),
        (("runs", 0, "machine"), None, "'machine' should be dict"),
        (("runs", 0, "measures", "attacked"), "better", "a measure should be one of stands, smaller, larger"),
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
    monkeypatch.setattr("perceptbench.results.gate.baseline_file.MAX_JSON_BYTES", 100)
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


def test_a_baseline_of_schema_1_is_read_as_one_that_does_not_know_radii(tmp_path: Path) -> None:
    made = baseline(run(["1 11 -", "0 00 -"]))
    write(made, tmp_path / "b.json")
    content = json.loads((tmp_path / "b.json").read_text()) | {"schema": 1}
    for key in ("machine", "confidence", "measures"):
        del content["runs"][0][key]
    content["runs"][0]["outcomes"] = {"t0": "1 11 -", "t1": "0 00 -"}
    (tmp_path / "b.json").write_text(json.dumps(content))
    known = read(tmp_path / "b.json")
    assert known.schema == 1
    assert known.runs == (replace(made.runs[0], confidence=None),)
    assert not any(one.exact for one in compare(known, known.runs))


def test_a_threat_that_is_no_ball_is_compared_by_its_name(tmp_path: Path) -> None:
    made = baseline(run(["1 11 -"] * 3, norm=None, threat="shift(step=2)"))
    write(made, tmp_path / "b.json")
    known = read(tmp_path / "b.json")
    assert {one.threat for one in compare(known, known.runs)} == {"", "shift(step=2)"}


def test_a_task_that_does_not_say_what_is_compared_has_no_place_in_a_baseline() -> None:
    with (
        registered(),
        pytest.raises(UserError, match=r"is of the task made-up\(tau=0.3\), which does not say .*leave it"),
    ):
        run_of(pairs_record())
    with pytest.raises(UserError, match="unknown task"):
        run_of(pairs_record())
