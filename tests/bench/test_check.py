"""The gate from the command line: what passes, what fails and what it says, and what may be written."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file
from typer.testing import CliRunner

from perceptbench.bench.cli import app
from perceptbench.bench.gate_runs import plans_of, rerun
from perceptbench.results.gate.baseline_file import read, write
from perceptbench.results.gate.worse import compare
from perceptbench.tasks.preference import Preference

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "results" / "baselines" / "default.json"

NET = """
import torch
from perceptbench.metrics.base import CosineLipschitzMetric


class Net(CosineLipschitzMetric):
    factor = {factor}
    sign = {sign}

    def embed(self, x):
        g = torch.nn.functional.avg_pool2d(x - 0.5, 14).flatten(1) * 14
        return self.factor * (g if self.sign > 0 else g[:, :3])

    def double(self):
        return self

    def weights(self):
        return (torch.tensor([self.factor, self.sign]),)
"""


def check(*words: object) -> tuple[int, str]:
    """Exit status and standard output of `bench check`."""
    result = CliRunner().invoke(app, ["check", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.fixture(autouse=True)
def no_github_job(monkeypatch):
    """The tests may themselves run in a job."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Metrics are named by files of this folder, so that a run can be copied into another one."""
    monkeypatch.chdir(tmp_path)


def net(folder: Path, factor: float = 1.0, sign: int = 1) -> str:
    """A metric of one's own whose constant is 1: averages over blocks of 14 x 14; or blind to all but three of them."""
    (folder / "net.py").write_text(NET.format(factor=factor, sign=sign))
    return "py:net.py:Net"


@pytest.fixture(scope="module")
def measured(bench, many, tmp_path_factory) -> Path:
    """A folder with a baseline of that metric on 34 triplets, certified, and of its attacked answers on 8 of them."""
    folder = tmp_path_factory.mktemp("gate")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        name = net(folder)
        bench("certify", "--metric", name, "--eps", "2,8", "--data", many)
        words = ("--attack", "l2-apgd-ce(steps=3)", "--eps", "2,8", "--limit", 8, "--no-skip-certified")
        bench("run", "--metric", name, *words, "--data", many)
        assert check("--baseline", "baseline.json", "--runs", "runs", "--update", "--reason", "the first one")[0] == 0
    return folder


@pytest.fixture
def gate(measured, tmp_path) -> Path:
    """A copy of that baseline, with its metric and its runs beside it."""
    shutil.copytree(measured, tmp_path, dirs_exist_ok=True)
    return tmp_path / "baseline.json"


def test_what_did_not_change_passes(gate, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "job.md"))
    (tmp_path / "job.md").write_text("before\n")
    status, said = check(
        "--baseline", gate, "--runs", tmp_path / "runs", "--junit", tmp_path / "j.xml", "--summary", tmp_path / "s.md"
    )
    assert status == 0
    assert "8 checks passed" in said
    assert "::error" not in said
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "0"
    assert (tmp_path / "s.md").read_text().startswith("# bench check: 8 checks passed")
    assert (tmp_path / "job.md").read_text() == "before\n" + (tmp_path / "s.md").read_text()


def test_a_worse_metric_fails_with_a_sentence(gate, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    net(tmp_path, sign=-1)
    before = gate.read_bytes()
    status, said = check("--baseline", gate, "--runs", tmp_path / "runs", "--junit", tmp_path / "j.xml")
    assert status == 1
    assert "certified by margin, l2 eps 2: the score got worse, from" in said
    assert "triplets lost and" in said
    assert "one-sided exact McNemar test for a drop, p = " in said
    assert "::error title=" in said
    assert int(ElementTree.parse(tmp_path / "j.xml").getroot().get("failures")) >= 1
    assert gate.read_bytes() == before


def loses_a_certificate(monkeypatch) -> None:
    """The evaluator proves almost nothing of one triplet in each chunk, that with the largest radius."""
    prove = Preference.prove

    def less(self, *words):
        proof = prove(self, *words)
        radius = proof.radius.clone()
        radius[radius.argmax()] /= 1e6
        return replace(proof, radius=radius)

    monkeypatch.setattr(Preference, "prove", less)


def test_an_evaluator_that_loses_a_certificate_fails_and_the_triplet_is_named(gate, tmp_path, monkeypatch):
    """The metric did not change, so no test is needed: 5 of 34 are too few for one."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    loses_a_certificate(monkeypatch)
    words = (
        "--baseline",
        gate,
        "--runs",
        tmp_path / "fresh",
        "--junit",
        tmp_path / "j.xml",
        "--summary",
        tmp_path / "s.md",
    )
    status, said = check(*words)
    assert status == 1
    assert "The metric did not change, so one lost triplet fails." in said
    line = next(line for line in said.splitlines() if "certified by margin, l2 eps 2: the score got worse" in line)
    assert re.search(r"5 triplets lost and 0 gained of 34; lost: t\d+, t\d+, t\d+, t\d+, t\d+\.", line)
    assert "after l2-apgd-ce(steps=3)" not in said.partition("Brackets")[2], "attacks found what they had found"
    failures = int(ElementTree.parse(tmp_path / "j.xml").getroot().get("failures"))
    assert failures >= 1
    assert line in (tmp_path / "s.md").read_text().replace("\\", "")
    status, said = check("--baseline", gate, "--runs", tmp_path / "again", "--json")
    content = json.loads(said.partition("\n")[0])
    assert (status, content["passed"]) == (1, False)
    lost = [score["lost"] for score in content["scores"] if (score["kind"], score["eps"]) == ("certificate", 2)]
    assert [len(names) for names in lost] == [5]


def test_another_machine_loses_nothing_by_rounding(gate, tmp_path, monkeypatch):
    """Radii that are all smaller by a hundred-thousandth, attacks that were made elsewhere."""
    prove = Preference.prove
    monkeypatch.setattr(
        Preference, "prove", lambda *words: (proof := prove(*words)) and replace(proof, radius=proof.radius * 0.99999)
    )
    monkeypatch.setattr("perceptbench.bench.provenance._cpu", lambda: "another one")
    status, said = check("--baseline", gate, "--runs", tmp_path / "fresh", "--json")
    scores = json.loads(said.partition("\n")[0])["scores"]
    assert status == 0
    assert {score["kind"]: score["exact"] for score in scores} == {
        "natural": True,
        "certificate": True,
        "attack": False,
    }


def test_a_floor_fails_or_holds_and_is_said(bench, gate, tmp_path):
    words = ("--baseline", gate, "--runs", tmp_path / "runs")
    status, said = check(
        *words, "--floor", "natural>=90", "--floor", "certified@8>=99.5", "--junit", tmp_path / "j.xml"
    )
    assert status == 1
    assert "below the floor of 99.5 % (--floor certified@8>=99.5, n = 34)" in said
    assert "not below the floor of 90 % (--floor natural>=90" in said
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "1"
    assert check(*words, "--floor", "natural>=90")[0] == 0
    name = read(gate).runs[0].spec["metric"]
    assert check(*words, "--floor", f"{name}:attacked@2>=1")[0] == 0
    for wrong, sentence in (
        ("attacked@2>60", "--floor wants attacked@EPS>=PERCENT"),
        ("attacked@5>=60", "fits no score in percent of the baseline; it has natural, certified@2"),
        ("psnr:natural>=60", "fits no score"),
    ):
        assert sentence in bench.refusal("check", *words, "--floor", wrong)


def test_push_and_pull_are_gated_by_their_distances(bench, many, tmp_path):
    name, runs, file = net(tmp_path), tmp_path / "runs", tmp_path / "b.json"
    asked = (
        "--metric",
        name,
        "--attack",
        "l2-pgd(steps=2)",
        "--eps",
        "2",
        "--data",
        many,
        "--limit",
        12,
        "--runs",
        runs,
    )
    for goal in ("push", "pull"):
        bench("run", *asked, "--goal", goal)
    assert check("--baseline", file, "--runs", runs, "--update", "--reason", "distances")[0] == 0
    assert {(run.spec["goal"], run.attacked) for run in read(file).runs} == {("push", "smaller"), ("pull", "larger")}
    status, said = check("--baseline", file, "--runs", tmp_path / "fresh", "--json")
    scores = json.loads(said.partition("\n")[0])["scores"]
    assert status == 0
    assert [(score["measure"], score["exact"], score["verdict"]) for score in scores if score["kind"] == "attack"] == [
        ("smaller", True, "same"), ("larger", True, "same"),
    ]  # fmt: skip
    net(tmp_path, sign=-1)
    status, said = check("--baseline", file, "--runs", runs)
    assert status == 1
    assert "after l2-pgd(steps=2) --goal push, l2 eps 2, drift: the score got worse, from a mean distance of" in said
    assert "sign-flip test over references" in said


def test_a_constant_past_its_bound_fails_through_the_audit_before_anything_is_scored(gate, tmp_path):
    """Three times as fast, so every radius is three times as large: by its scores it would be an improvement."""
    net(tmp_path, factor=3.0)
    known = len(list((tmp_path / "runs").iterdir()))
    status, said = check("--baseline", gate, "--runs", tmp_path / "runs")
    assert status == 1
    assert "the proved bound of 1 is exceeded, so no certificate of this metric holds" in said
    assert len(list((tmp_path / "runs").iterdir())) == known
    assert check("--baseline", gate, "--runs", tmp_path / "runs", "--update", "--reason", "better")[0] == 1
    assert read(gate).reason == "the first one"


def test_a_flip_inside_a_radius_fails_with_its_sentence(gate, tmp_path, monkeypatch):
    net(tmp_path, factor=100.0)
    monkeypatch.setattr("perceptbench.bench.gate_runs.audited", lambda *_: [])
    status, said = check("--baseline", gate, "--runs", tmp_path / "runs")
    assert status == 1
    assert "inside its certified radius" in said
    assert "1 of 3 checks failed" in said


def test_other_data_fails_at_once(gate, many, tmp_path):
    content = json.loads(gate.read_text())
    copy = tmp_path / "copy"
    shutil.copytree(Path(many.removeprefix("csv:")).parent, copy)
    pixels = np.asarray(Image.open(copy / "0_ref.png")).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(copy / "0_ref.png")
    for run in content["runs"]:
        run["spec"]["data"] = f"csv:{copy / 'data.csv'}"
    gate.write_text(json.dumps(content))
    status, said = check("--baseline", gate, "--runs", tmp_path / "runs")
    assert status == 1
    assert said.count("the SHA-256 of the data was") == 2
    assert "Scores beside the baseline" not in said


def test_another_specification_fails_at_once_and_is_named(gate, tmp_path):
    content = json.loads(gate.read_text())
    (attacked,) = (run for run in content["runs"] if run["spec"]["attack"])
    attacked["spec"]["arguments"]["attack"]["steps"] = 5
    gate.write_text(json.dumps(content))
    status, said = check("--baseline", gate, "--runs", tmp_path / "runs")
    assert status == 1
    assert "arguments.attack.steps was 5 and is 3" in said
    assert "SHA-256 of the data" not in said


def test_an_update_says_why_and_the_gate_passes_again(gate, tmp_path):
    net(tmp_path, sign=-1)
    words = ("--baseline", gate, "--runs", tmp_path / "runs")
    assert check(*words)[0] == 1
    assert check(*words, "--update", "--reason", "fewer blocks, on purpose")[0] == 0
    assert read(gate).reason == "fewer blocks, on purpose"
    assert check(*words)[0] == 0
    net(tmp_path)
    status, said = check(*words)
    assert status == 0
    assert "better" in said
    assert "a gain of" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--update",), "--update wants a --reason"),
        (("--update", "--reason", " "), "--reason wants a value, got a text without letters"),
        (("--update", "--reason", "a\nb"), "--reason wants one line"),
        (("--reason", "x"), "--reason goes with --update"),
        (("--update", "--reason", "x", "--metric", "psnr"), "leave --metric out"),
        ((), "found no baseline"),
        (("--update", "--reason", "x"), "found no finished run"),
    ],
)
def test_wrong_words_get_a_sentence_and_nothing_is_written(bench, tmp_path, words, sentence):
    assert sentence in bench.refusal("check", "--baseline", tmp_path / "b.json", "--runs", tmp_path / "none", *words)
    assert not any(tmp_path.iterdir())


def test_a_metric_that_the_baseline_lacks_is_refused(bench, gate):
    assert "which has py:" in bench.refusal("check", "--baseline", gate, "--metric", "lipsim")


def test_twenty_other_seeds_pass(bench, data, tmp_path):
    """The draws of the attack change, the metrics do not. `benchmarks/seeds.py` tries as many on what ships."""
    runs = tmp_path / "runs"
    bench(
        "run",
        "--metric",
        net(tmp_path),
        "--attack",
        "l2-pgd(steps=2)",
        "--eps",
        "1,4",
        "--data",
        data,
        "--runs",
        runs,
    )
    file = tmp_path / "b.json"
    assert check("--baseline", file, "--runs", runs, "--update", "--reason", "seeds")[0] == 0
    known = read(file)
    for seed in range(1, 21):
        reseeded = [replace(run, spec={**run.spec, "seed": seed}) for run in known.runs]
        broken, now = rerun(plans_of(reseeded, None, "cpu"), runs)
        assert not broken
        assert all(one.spec["seed"] == seed for one in now)
        assert not [one for one in compare(known, now) if one.verdict == "worse"]


def test_the_shipped_baseline_is_of_what_ships():
    """Its matrix, its data, and certified scores of 200 triplets or more; its weights are those of the last update."""
    known = read(DEFAULT)
    assert {run.spec["metric"] for run in known.runs} == {"lipsim", "psnr", "ssim"}
    assert {run.spec["data"] for run in known.runs} == {"photos"}
    proved = [run for run in known.runs if run.spec["attack"] is None]
    assert {run.spec["metric"] for run in proved} == {"lipsim", "psnr"}
    assert all(len(run.outcomes) >= 200 for run in proved)
    attacked = [run for run in known.runs if run.spec["attack"]]
    assert {run.spec["metric"] for run in attacked} == {"lipsim", "psnr", "ssim"}
    assert all(len(run.outcomes) >= 24 and not run.spec["skip_certified"] for run in attacked)


def shuffled(path: Path, share: float = 0.05) -> None:
    """The shipped weights with a share of the values of each tensor in another order."""
    rng = np.random.default_rng(0)
    with safe_open(ROOT / "metrics" / "weights" / "lipsim.safetensors", "np") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name).copy() for name in file.keys()}  # noqa: SIM118 - not a dict
    for values in (tensor.reshape(-1) for tensor in tensors.values()):
        at = rng.choice(values.size, min(values.size, max(2, round(share * values.size))), replace=False)
        values[at] = values[rng.permutation(at)]
    save_file(tensors, path, header)


def test_a_lipsim_with_shuffled_weights_fails(bench, tmp_path):
    """Sixty triplets are enough to see it."""
    words = ("--metric", "lipsim", "--eps", "1,3", "--data", "photos", "--limit", 60)
    bench("certify", *words, "--runs", tmp_path / "runs")
    file = tmp_path / "b.json"
    assert check("--baseline", file, "--runs", tmp_path / "runs", "--update", "--reason", "shipped")[0] == 0
    write(replace(read(file), audit_images=1), file)
    shuffled(tmp_path / "shuffled.safetensors")
    status, said = check(
        "--baseline", file, "--metric", f"lipsim:{tmp_path / 'shuffled.safetensors'}", "--runs", tmp_path / "other"
    )
    assert status == 1
    assert "lipsim:shuffled.safetensors on photos, certified by margin, l2 eps" in said
    assert "a loss of" in said
    assert "the proved bound of 1 holds" in said
