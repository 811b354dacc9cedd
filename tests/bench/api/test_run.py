"""The question of a command, asked in Python: the same rows, the same store, and nothing printed."""

import inspect

import pandas as pd
import pytest
import torch

import perceptbench as pb
from perceptbench.bench.request import Request
from perceptbench.bench.slots import identifier, slots_of

ATTACK = "l2-pgd(steps=2)"
EPS = [0.5, 2.0]


class Mine:
    """Mean absolute difference, times a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, x, y):
        return self.factor * (x - y).abs().mean((1, 2, 3))


def rows(runs: pb.Runs) -> list[dict]:
    """As JSON has them: what is not there is None."""
    return runs.frame().astype(object).where(runs.frame().notna(), None).to_dict("records")


def test_rows_are_those_of_the_command_and_each_answers_from_the_store_of_the_other(bench, data, tmp_path):
    words = ("run", "--metric", "l2,psnr", "--attack", ATTACK, "--eps", "0.5,2", "--data", data, "--limit", 5)
    typed = bench.json(*words, "--runs", tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")}
    asked = pb.run(["l2", pb.metric("psnr")], attack=ATTACK, eps=EPS, data=data, limit=5, runs=tmp_path)
    assert rows(asked) == typed
    assert rows(pb.run("l2,psnr", ATTACK, "0.5,2", pb.data(data), limit=5, runs=str(tmp_path))) == typed
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")} == written
    without = rows(pb.run(["l2", "psnr"], ATTACK, EPS, data, limit=5))
    for row in (*without, *typed):
        del row["seconds"]
    assert without == typed


def test_nothing_is_written_or_printed_unless_asked_for(data, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    run = pb.run("l2", ATTACK, EPS, data, limit=3)
    assert len(run) == 1
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    pb.run("l2", ATTACK, EPS, data, limit=3, progress=True)
    said = capfd.readouterr()
    assert said.out == ""
    assert "3/3" in said.err


def test_without_an_attack_there_are_certificates_alone(bench, data, tmp_path):
    asked = pb.run("l2", eps=EPS, data=data, certifier=["margin", "smoothing(n=20,n0=2)"], runs=tmp_path)
    words = (
        "certify",
        "--metric",
        "l2",
        "--certifier",
        "margin,smoothing(n=20,n0=2)",
        "--eps",
        "0.5,2",
        "--data",
        data,
    )
    typed = bench.json(*words, "--runs", tmp_path)
    assert rows(asked) == typed
    assert {row["kind"] for row in typed} == {"natural", "certificate"}
    assert set(pb.run("l2", ATTACK, 1, data, certifier=None).frame()["kind"]) == {"natural", "attack"}


def test_every_option_of_the_command_is_an_option_here():
    """They are read from the request: nobody lists them twice."""
    options = {identifier(slot.name) for slot in slots_of({"request": Request})}
    shown = inspect.signature(pb.run).parameters
    assert options - {"metric"} <= set(shown)
    assert shown["certifier"].default == "margin"
    assert {"move", "threat", "seed", "label"} <= set(inspect.signature(pb.attack).parameters)


def test_options_reach_the_run(data):
    run = pb.run("l2", ATTACK, 2, data, seed=3, restarts=2, move="left", skip_certified=False, task="preference")
    (record,) = run
    assert {key: record.spec[key] for key in ("seed", "restarts", "move", "skip_certified", "task")} == {
        "seed": 3, "restarts": 2, "move": "left", "skip_certified": False, "task": "preference",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epz": 1}, "pb.run has no option epz; did you mean eps"),
        ({"limit": "3"}, "limit wants int, got '3'"),
        ({"limit": True}, "limit wants int, got True"),
        ({"seed": None}, "seed wants a value, got None"),
        ({"limit": 0}, "--limit wants at least 1"),
        ({"device": "gpu"}, "--device wants one of auto, cpu, cuda, got gpu"),
        ({"goal": "fli"}, "--goal wants one of"),
        ({"batch_size": 0}, "--batch-size wants a positive number"),
        ({"engine": "locla"}, "unknown engine 'locla'; did you mean 'local'"),
        ({"save_images": 1}, "say where runs are kept"),
        ({"eps": -1}, "positive budgets"),
        ({"eps": None}, "name at least one budget"),
        ({"metrics": []}, "name at least one metric"),
        ({"metrics": [Mine(), Mine(2)]}, "got two metrics of the name Mine"),
        ({"metrics": pb.metric(Mine(), name="ssim")}, "the name of a registered metric"),
        ({"metrics": pb.metric(Mine(), name="a,b")}, "without comma"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence(data, options, words):
    asked = {"metrics": "l2", "attack": ATTACK, "eps": 1, "data": data} | options
    with pytest.raises(pb.UserError, match=words.replace("(", r"\(")):
        pb.run(**asked)


def test_a_metric_in_memory_answers_from_the_store_only_where_it_is_the_same(data, tmp_path):
    def ids(*metrics):
        return [record.run for record in pb.run(list(metrics), ATTACK, 1, data, limit=2, runs=tmp_path)]

    assert ids(Mine()) == ids(Mine())
    assert ids(Mine()) != ids(Mine(2.0))
    with torch.random.fork_rng():
        net = torch.nn.Linear(3, 2)

    class Embeds:
        def __init__(self) -> None:
            self.net = net

        def embed(self, x):
            return self.net(x.mean((2, 3)))

    before = ids(Embeds())
    assert ids(Embeds()) == before
    with torch.no_grad():
        net.bias += 1
    assert ids(Embeds()) != before


def test_scores_of_a_metric_of_yours_are_those_of_the_same_in_a_file(data, tmp_path):
    file = tmp_path / "own.py"
    file.write_text("class Mine:\n    def __call__(self, x, y):\n        return (x - y).abs().mean((1, 2, 3))\n")
    here, there = pb.run([Mine(), f"py:{file}:Mine"], ATTACK, EPS, data)
    pd.testing.assert_frame_equal(here.samples, there.samples)


def test_frames_plots_and_pages(data, tmp_path):
    run = pb.run(["l2", Mine()], ATTACK, EPS, data, limit=4, runs=tmp_path / "runs")
    samples = run.samples()
    assert len(samples) == 2 * 4 * len(EPS)
    assert list(samples.columns[:7]) == ["run", "metric", "data", "task", "threat", "attack", "certifier"]
    assert set(samples["metric"]) == {"l2", "Mine"}
    html = run._repr_html_()
    assert html.count("<tr") == 1 + len(run.frame())
    figure = run.plot()
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["csv:data.csv, l2 (n = 4)"]
    assert figure._repr_png_().startswith(b"\x89PNG")
    loaded = pb.load(tmp_path / "runs")
    assert sorted(loaded.frame()["run"].unique()) == sorted(run.frame()["run"].unique())
    paths = pb.report([run], to=tmp_path / "here", formats="csv")
    again = pb.report(tmp_path / "runs", to=tmp_path / "there", formats=["csv"])
    assert [path.name for path in paths] == [path.name for path in again]
    assert all(one.read_text() == other.read_text() for one, other in zip(paths, again, strict=True))


def test_newer_runs_replace_older_ones_in_what_is_loaded(data, tmp_path):
    first = pb.run(Mine(), ATTACK, 1, data, runs=tmp_path)
    second = pb.run(Mine(3.0), ATTACK, 1, data, runs=tmp_path)
    both = first + second
    newest = max(both, key=lambda one: (one.provenance["time"], one.run)).run
    assert len(pb.load(tmp_path)) == 2
    assert set(pb.load(tmp_path).frame()["run"]) == {newest}


def test_what_cannot_be_shown_is_refused(tmp_path, data):
    with pytest.raises(pb.UserError, match="expected a folder of runs"):
        pb.load(tmp_path / "none")
    with pytest.raises(pb.UserError, match="got str"):
        pb.report(["runs"])
    with pytest.raises(pb.UserError, match=r"look at \.frame"):
        pb.run("l2", "l2-pgd(steps=1)", 1, data, goal="push", limit=2).plot()
