"""The workflows, for users' repositories and our nights: valid by GitHub's schema, pinned, with no more rights than
they need."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

from perceptbench.bench.cli import app

ROOT = Path(__file__).parents[1]
FILE = ROOT / ".github" / "workflows" / "perceptbench.yml"
FLOW = yaml.safe_load(FILE.read_text())
CALL = FLOW[True]["workflow_call"]  # YAML 1.1 reads the key `on` as true
STEPS = FLOW["jobs"]["check"]["steps"]
NIGHTLY = FILE.with_name("nightly.yml")


def valid(path: Path) -> subprocess.CompletedProcess[str]:
    words = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path))
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def steps_of(path: Path) -> list[dict[str, object]]:
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


def test_the_workflow_is_valid_and_a_mistake_would_be_seen(tmp_path):
    assert valid(FILE).returncode == 0
    assert valid(NIGHTLY).returncode == 0
    (tmp_path / "bad.yml").write_text(FILE.read_text().replace("runs-on:", "run-on:"))
    assert valid(tmp_path / "bad.yml").returncode == 1


def test_the_job_that_the_page_shows_is_valid_and_asks_for_inputs_there_are(tmp_path):
    shown = re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)[1]
    (tmp_path / "shown.yml").write_text(shown)
    assert valid(tmp_path / "shown.yml").returncode == 0
    assert set(yaml.safe_load(shown)["jobs"]["robustness"]["with"]) <= set(CALL["inputs"])


@pytest.mark.parametrize("path", [FILE, NIGHTLY], ids=lambda path: path.stem)
def test_actions_are_pinned_to_commits_and_rights_are_least(path):
    steps = steps_of(path)
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", one) for one in used)
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    assert steps[0]["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", [FILE, NIGHTLY], ids=lambda path: path.stem)
def test_no_input_is_pasted_into_a_shell(path):
    assert not [step["run"] for step in steps_of(path) if "${{" in step.get("run", "")]


def test_the_nightly_campaigns_are_targets_of_make_and_ci_has_a_minute_of_two():
    targets = yaml.safe_load(NIGHTLY.read_text())["jobs"]["campaigns"]["strategy"]["matrix"]["target"]
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"fuzz", "faults", "soundness"} == set(targets) <= known
    asked = (ROOT / ".ci" / "run").read_text().split()
    assert {"fuzz-short", "soundness-short"} <= set(asked) & known


def test_the_page_names_every_input():
    page = (ROOT / "docs" / "ci.md").read_text()
    assert all(f"| `{name}` |" in page for name in CALL["inputs"])


@pytest.mark.parametrize("step", [step["run"] for step in STEPS if "bench check" in step.get("run", "")])
def test_the_workflow_uses_options_there_are(step):
    command = typer.main.get_command(app).get_command(None, "check")
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z]+", step)) <= known
