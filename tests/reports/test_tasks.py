"""Runs of both schemas, of a task and a threat that no report knows, and of a task that is not installed."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from made_up_task import pairs_record, registered

from perceptbench.core.errors import UserError
from perceptbench.reports.write import write_report
from perceptbench.results.store import RunStore

OF_SCHEMA_1 = Path(__file__).parent / "of_schema_1"
"""Runs as the first version wrote them."""
TASK, THREAT = "made-up(tau=0.3)", "shift(step=1)"


def _in_schema(schema: int, to: Path) -> Path:
    """Runs of the first version as a perceptbench of that schema would have written them."""
    shutil.copytree(OF_SCHEMA_1, to)
    for path in to.glob("*/record.json"):
        header = json.loads(path.read_text())
        spec, facts = header["spec"], header["facts"]
        header["schema"] = schema
        if schema == 1:
            for values, key in ((spec, "task"), (spec, "threat"), (spec, "eps_unit"), (facts, "state")):
                values.pop(key, None)
        else:
            spec |= {"task": "preference" if spec["goal"] == "flip" else "drift", "threat": spec["norm"]}
            facts |= {"state": {}}
        path.write_text(json.dumps(header))
    return to


def test_both_schemas_give_the_same_report(tmp_path: Path) -> None:
    found = []
    for schema in (1, 2):
        runs = _in_schema(schema, tmp_path / f"runs{schema}")
        paths = write_report(RunStore(runs).select(), tmp_path / f"report{schema}", ("html", "csv"))
        found.append({path.relative_to(tmp_path / f"report{schema}"): path.read_bytes() for path in paths})
    assert len(found[0]) > 10
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("report")
    with registered():
        write_report([pairs_record()], to, ("md", "latex", "html", "csv"))
    return to


def test_a_task_that_no_report_knows_has_tables_with_its_own_name_threat_and_unit(report: Path) -> None:
    text = (report / "report.md").read_text()
    attacked = text.partition(f"## {TASK} score after {THREAT} attacks on pairs:few.csv, percent")[2].partition("##")[0]
    assert [cell.split()[0] for cell in _line(attacked, "phash")] == ["phash", "4", "grid", "75.0", "75.0", "50.0"]
    assert f"eps of {THREAT}: pixels." in attacked
    assert "norm" not in attacked
    certified = text.partition(f"## Certified {TASK} score, {THREAT}, on pairs:few.csv, percent")[2].partition("##")[0]
    assert [cell.split()[0] for cell in _line(certified, "phash")] == ["phash", "4", "shifts", "75.0", "50.0", "25.0"]
    assert "2AFC" not in text
    assert "Leaderboard" not in text


def _line(section: str, start: str) -> list[str]:
    return next(line for line in section.splitlines() if line.startswith(f"| {start}")).strip("| ").split(" | ")


def test_its_opening_says_what_is_left_and_what_eps_means(report: Path) -> None:
    opening = (report / "report.md").read_text().partition("##")[0]
    assert (
        f"{TASK} score on pairs:few.csv in percent, without an attack and at {THREAT} eps 2: phash from 75.0 to 50.0 ["
        in opening
    )
    assert "at least 25.0 whatever the attack" in opening
    assert f"{TASK}: eps is the size of a change by {THREAT}, pixels." in opening
    assert "reference image" not in opening


def test_its_methods_say_the_task_and_what_was_fitted(report: Path) -> None:
    text = (report / "report.md").read_text()
    assert f"| samples | n = 4 |\n| task | {TASK} |" in text
    assert "ties" not in text
    assert "wrong answer costs no pass" not in text
    assert "| fitted on clean data | tau 0.3 |" in text
    assert f"| eps | 1, 2 ({THREAT}; pixels) |" in text


def test_every_format_shows_it(report: Path) -> None:
    stem = "made-up-tau-0-3_shift-step-1_pairs-few-csv"
    latex = (report / "tables" / f"attacked_{stem}.tex").read_text()
    assert "75.0 & {\\scriptsize[" in latex
    assert (report / "tables" / f"certified_{stem}.tex").is_file()
    with (report / "rows.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "attack"]
    assert [(row["task"], row["threat"], row["norm"], row["eps_unit"], float(row["score"])) for row in rows] == [
        (TASK, THREAT, "", "pixels", 75), (TASK, THREAT, "", "pixels", 50),
    ]  # fmt: skip
    page = (report / "report.html").read_text()
    assert f"{TASK} score after {THREAT} attacks on pairs:few.csv, percent" in page


def test_runs_on_triplets_look_the_same_beside_another_task(report: Path, make_record, tmp_path: Path) -> None:
    alone, mixed = tmp_path / "alone", tmp_path / "mixed"
    records = [make_record(run="a" * 12), make_record("ssim", run="b" * 12, certifier=None)]
    with registered():
        write_report(records, alone, ("csv",))
        write_report([*records, pairs_record()], mixed, ("csv",))
    for path in (alone / "tables").iterdir():
        assert (mixed / "tables" / path.name).read_text() == path.read_text()
    assert len(list((mixed / "tables").iterdir())) == len(list((alone / "tables").iterdir())) + 3


def test_an_lp_attack_and_another_threat_are_never_in_one_table(make_record, tmp_path: Path) -> None:
    ball, shifts = make_record(run="a" * 12), make_record(run="b" * 12)
    shifts.spec["threat"], shifts.spec["eps_unit"] = "shift(step=2)", "pixels"
    text = write_report([ball, shifts], tmp_path)[0].read_text()
    for start in ("2AFC score after {} attacks on", "Certified 2AFC score, {}, on", "Leaderboard on photos, {} eps"):
        for threat in ("l2", "shift(step=2)"):
            section = text.partition(f"## {start.format(threat)}")[2].partition("\n## ")[0]
            assert section.count("| lipsim |") == 1, (start, threat)
            assert ("eps of shift(step=2): pixels." in section) == (threat != "l2")


def test_a_run_of_a_task_that_is_not_installed_is_left_out_and_named(make_record, tmp_path: Path) -> None:
    gone = pairs_record()
    text = write_report([make_record(run="a" * 12), gone], tmp_path)[0].read_text()
    assert f"Left out, as their tasks are not installed here: {gone.run} (made-up(tau=0.3));" in text
    assert text.count(gone.run) == 1
    with pytest.raises(UserError, match=f"not installed here: {gone.run}"):
        write_report([gone], tmp_path)
