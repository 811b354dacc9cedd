"""A name of the user's own before a metric: in every table, figure and file, and in whatever is asked again."""

import json
from pathlib import Path

import pytest

import perceptbench as pb
from perceptbench.bench.flags import introduction
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.spec import question

FILE = """
class Mine:
    def __init__(self, p=1):
        self.p = p

    def forward(self, x, y):
        return (x - y).abs().pow(self.p).mean((1, 2, 3))
"""
NAME = "Ours ∂ $2"


@pytest.fixture
def typed(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    return f"{NAME}=py:mine.py:Mine(p=2)"


@pytest.fixture
def runs(typed, bench, data) -> Path:
    bench("run", "--metric", f"{typed},l2", "--attack", "l2-pgd(steps=2)", "--eps", "1", "--data", data)
    return Path("runs")


def test_tables_figures_and_files_have_the_alias(runs, bench):
    specs = {record.spec["metric"]: record.spec for record in pb.load(runs).records}
    assert set(specs) == {NAME, "l2"}
    assert specs[NAME]["metric_typed"] == f"{NAME}=py:mine.py:Mine(p=2)"
    assert "metric_typed" not in specs["l2"]
    bench("report", "--runs", runs, "--to", "report", "--format", "md,latex,html,csv")
    leaderboard = next(Path("report/tables").glob("*leaderboard*.csv")).read_text(encoding="utf-8")
    assert NAME in leaderboard
    written = [file for file in Path("report").rglob("*") if file.suffix in (".md", ".tex", ".html", ".csv")]
    assert {file.suffix for file in written} == {".md", ".tex", ".html", ".csv"}
    assert not [file for file in written if "mine.py" in file.read_text(encoding="utf-8")]


def test_a_run_is_checked_gated_and_answered_again_under_its_alias(runs, typed, bench, data):
    (ours,) = (one for one in pb.load(runs).records if one.spec["metric"] == NAME)
    assert not pb.verify(runs / ours.run, k=2).refuted
    words = ("--metric", typed, "--attack", "l2-pgd(steps=2)", "--eps", "1", "--data", data)
    before = set(runs.iterdir())
    bench("run", *words)
    assert set(runs.iterdir()) == before
    bench("check", "--baseline", "b.json", "--runs", runs, "--update", "--reason", "the first one")
    for more in ((), ("--metric", NAME), ("--metric", typed)):
        assert "checks passed" in bench("check", "--baseline", "b.json", "--runs", runs, *more)


def test_the_id_knows_the_alias_and_what_stands_behind_it(runs):
    spec = json.loads(json.dumps(next(one.spec for one in pb.load(runs).records if one.spec["metric"] == NAME)))
    asked = {question(spec | {"metric_typed": f"{NAME}={name}"}) for name in ("py:mine.py:Mine", "l2", "psnr")}
    assert len(asked) == 3
    assert question(spec | {"metric_typed": f"{NAME}=py:elsewhere/mine.py:Mine(p=2)"}) == question(spec)
    assert question(spec | {"metric": "Other"}) != question(spec)


def test_the_api_takes_it(typed):
    made = pb.metric(typed)
    assert made.name == NAME
    assert str(made.held().ref) == typed


def test_a_metric_from_outside_is_introduced_once_in_three_lines(typed, bench, data, caplog, monkeypatch):
    words = ("--metric", typed, "--attack", "l2-pgd(steps=2),l2-pgd(steps=1)", "--eps", "1", "--data", data)
    monkeypatch.setattr(introduction, "_SAID", set())
    with caplog.at_level("INFO", "perceptbench"):
        bench("run", *words, "--runs", "other")
    lines = [one for one in caplog.messages if one.startswith(NAME)]
    assert len(lines) == 3
    assert "is py:mine.py:Mine(p=2), which compares pairs of images and holds 0 networks" in lines[0]
    assert "a gradient, " in lines[1]
    assert f"bench doctor --metric '{NAME}=py:mine.py:Mine(p=2)'" in lines[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--metric", "l2=psnr", "--attack", "l2-pgd"), "l2 is the name of a registered metric; give psnr another one"),
        (("--metric", "l2", "--attack", "A=l2-pgd"), "a name of your own stands before a metric alone, got 'A=l2-pgd'"),
        (("--metric", "=l2", "--attack", "l2-pgd"), "expected before = a name of 1 to 80 letters"),
        (("--metric", "A=l2,A=psnr", "--attack", "l2-pgd"), "got two metrics of the name A"),
    ],
)
def test_a_name_that_misleads_is_refused(words, message, bench):
    assert message in bench.refusal("run", *words, "--eps", "1", "--limit", "2")


def test_aliases_are_read_and_written():
    ref = Ref.parse(" Ours = py:mine.py:Mine(ckpt='a.pt',p=2)")
    assert ref == Ref("py", "mine.py:Mine", (("ckpt", "a.pt"), ("p", 2)), "Ours")
    assert Ref.parse(str(ref)) == ref
    assert ref.shown == "Ours"
    assert Ref.parse("csv:a=b.csv").alias is None
    assert Ref.parse("l2-pgd(steps=2)").alias is None
    # Records hold any name, and are still read.
    for name in (f"{'x' * 81}=l2", "=1+1", "a="):
        assert Ref.parse(name) == Ref(name)
        with pytest.raises(UserError, match="expected before = a name of 1 to 80 letters"):
            pb.metric(name)
