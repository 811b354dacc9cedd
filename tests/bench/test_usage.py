"""What users may type, and what they are told when it is wrong."""

import json
import re
import subprocess
import sys

import pytest
import typer.main

from perceptbench.bench.cli import app

SURFACE = {
    "run": {
        "--metric", "--eps", "--attack", "--data", "--certifier", "--limit", "--seed", "--skip-certified",
        "--no-skip-certified", "--goal", "--move", "--eps-left", "--eps-right", "--restarts", "--quantize",
        "--through", "--protocol", "--save-images", "--edit", "--tau", "--fpr", "--top", "--short-list", "--rival",
        "--task", "--threat", "--batch-size", "--device", "--runs", "--json", "--help",
    },
    "certify": {
        "--metric", "--eps", "--certifier", "--data", "--move", "--eps-left", "--eps-right", "--limit", "--seed",
        "--edit", "--tau", "--fpr", "--top", "--short-list", "--rival", "--task", "--threat", "--batch-size",
        "--device", "--runs", "--json", "--help",
    },
    "retrieve": {
        "--metric", "--images", "--queries", "--labels", "--eps", "--top", "--certifier", "--limit", "--seed",
        "--device", "--attack", "--goal", "--rival", "--short-list", "--skip-certified", "--no-skip-certified",
        "--save-images", "--threat", "--below", "--to", "--batch-size", "--runs", "--json", "--help",
    },
    "audit": {"--metric", "--data", "--limit", "--seed", "--device", "--json", "--help"},
    "doctor": {"--metric", "--device", "--json", "--help"},
    "invert": {
        "images", "--metric", "--to", "--judge", "--start", "--steps", "--tv", "--seed", "--device", "--help",
    },
    "ladder": {
        "--metric", "--data", "--edit", "--limit", "--to", "--device", "--batch-size", "--runs", "--json", "--help",
    },
    "attacks": {"--attack", "--norm", "--effort", "--limit", "--seed", "--to", "--json", "--help"},
    "check": {
        "--baseline", "--metric", "--floor", "--runs", "--update", "--reason", "--junit", "--summary", "--json",
        "--device", "--help",
    },
    "distance": {"first", "second", "--metric", "--eps", "--threat", "--tau", "--json", "--help"},
    "report": {"--to", "--runs", "--format", "--help"},
    "verify": {"run", "-k", "--runs", "--device", "--json", "--help"},
    "list": {"kind", "--grep", "--available", "--json", "--help"},
    "new metric": {"name", "--to", "--help"},
    "data prepare": {"name", "--to", "--help"},
    "train lipsim": {
        "--images", "--to", "--teacher", "--data", "--limit", "--held-out", "--views", "--kin", "--jitter", "--pool",
        "--steps", "--lr", "--distil-loss", "--radius", "--finetune-steps", "--loss", "--finetune-radius", "--margin",
        "--hinge-weight", "--focus", "--network", "--batch-size", "--accumulate", "--precision", "--ema", "--seed",
        "--device", "--devices", "--nodes", "--workers", "--checkpoint-every", "--config", "--smoke", "--help",
    },
    "train lpips": {
        "--data", "--to", "--net", "--tune", "--loss", "--margin", "--epochs", "--batch-size", "--lr", "--trunk-lr",
        "--hold-out", "--limit", "--seed", "--help",
    },
}  # fmt: skip


def commands(group, prefix=""):
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def test_the_command_line_is_public_api():
    """A new or renamed word here needs a CHANGELOG line; scripts outside read these names."""
    top = typer.main.get_command(app)
    found = {name: words_of(command) for name, command in commands(top)}
    assert found == {name: {*words, "--config", "--debug"} for name, words in SURFACE.items()}
    assert words_of(top) == {"--version", "--help"}


def words_of(command):
    return {"--help"} | {o for p in command.params for o in (*p.opts, *p.secondary_opts)}


RUN = ("run", "--attack", "l2-apgd-ce", "--eps", "1")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--metric", "lpsim"), "unknown metric 'lpsim'; did you mean 'lipsim'?"),
        (("--metric", "l2", "--attack", "l2-apdg-ce"), "unknown attack 'l2-apdg-ce'; did you mean"),
        (("--metric", "l2", "--attack", "l2-pgd(step=3)"), "has no argument 'step'; it has: steps, relative_step"),
        (("--metric", "l2", "--attack", "l2-pgd(steps=many)"), "wants int, got 'many'"),
        (("--metric", "l2", "--data", "photo"), "unknown data set 'photo'; did you mean 'photos'?"),
        (("--metric", "l2", "--data", "nights"), "needs 'path': write nights:PATH"),
        (("--metric", "l2", "--eps", "0"), "positive budgets"),
        (("--metric", "l2", "--eps", "one"), "numbers like 2.0 or 36/255"),
        (("--metric", "l2", "--limit", "0"), "--limit wants at least 1"),
        (("--metric", "l2", "--batch-size", "0"), "--batch-size wants a positive number or auto"),
        (("--metric", "ssim", "--attack", "l2-mse"), "compares images without one"),
        (("--metric", "l2", "--goal", "flop"), "--goal wants one of flip, push, pull"),
        (("--metric", "l2", "--move", "both"), "--move wants one of reference, left, right, all"),
        (("--metric", "l2", "--eps-left", "1", "--eps-right", "1"), "want --move all"),
        (("--metric", "l2", "--move", "all", "--eps-left", "1"), "give both --eps-left and --eps-right"),
        (("--metric", "l2", "--move", "all", "--eps-left", "-1", "--eps-right", "1"), "a budget of at least 0"),
        (("--metric", "l2", "--restarts", "0"), "--restarts wants at least 1"),
        (("--metric", "l2", "--attack", "l2-aa", "--restarts", "2"), "write l2-aa(starts=2)"),
        (("--metric", "l2", "--quantize", "4bit"), "--quantize wants one of 8bit"),
        (("--metric", "l2", "--protocol", "theirs"), "--protocol wants one of ours, paper"),
        (("--metric", "l2", "--protocol", "paper", "--attack", "l2-fab"), "--protocol paper has no attack"),
        (("--metric", "l2", "--protocol", "paper", "--restarts", "2"), "leave the others out"),
        (("--metric", "l2", "--attack", "l2-mse", "--goal", "flip"), "moves embeddings and flips no answer"),
        (("--metric", "l2", "--attack", "l2-fab", "--goal", "push"), "has no boundary to look for"),
        (("--metric", "l2", "--attack", "l2-aa", "--goal", "pull"), "has no boundary to look for"),
        (("--metric", "l2", "--attack", "autoattack:square", "--goal", "push"), "has no boundary to look for"),
        (("--metric", "lipsim", "--goal", "push", "--certifier", "paper"), "has nothing to certify"),
        (("--metric", "l2", "--attack", "l2-ddn", "--restarts", "2"), "draws nothing at random"),
        (("--metric", "l2", "--attack", "l2-ddn(gamma=2.5)"), "gamma between 0 and 1"),
        (("--metric", "l2", "--attack", "l2-fab(beta=1.5)"), "beta between 0 and 1"),
        (("--metric", "lipsim", "--certifier", "paper", "--move", "left"), "knows of a moving reference only"),
        (
            ("--metric", "l2", "--certifier", "smoothing", "--move", "all", "--eps-left", "1", "--eps-right", "1"),
            "certifies one budget",
        ),
        (("--metric", "l2", "--goal", "push", "--move", "left"), "--goal push moves the reference"),
        (("--metric", "l2", "--save-images", "-1"), "--save-images wants a number of triplets from 0 to 10000, got -1"),
        (("--metric", "l2", "--save-images", "1", "--move", "all"), "--save-images keeps one changed image a triplet"),
        (("--metric", "lipsim-paper"), "needs the authors' checkpoint"),
        (("--metric", "lipsim:missing.safetensors"), "found no file"),
        (("--metric", "py:missing.py:Mine"), "expected py:FILE.py:CLASS"),
        (("--metric", "l2", "--certifier", "paper"), "cosine"),
    ],
)
def test_a_wrong_word_gets_one_sentence_and_nothing_is_written(bench, tmp_path, words, sentence):
    runs = tmp_path / "runs"
    message = bench.refusal(*RUN, *words, "--runs", runs)
    assert re.search(re.escape(sentence), message), message
    assert "\n" not in message
    assert not runs.exists() or not any(runs.iterdir())


def test_exit_status_is_two_and_the_sentence_is_on_standard_error(bench, tmp_path):
    done = bench.process("run", "--metric", "nosuch", "--attack", "l2-pgd", "--eps", "1", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "unknown metric 'nosuch'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(tmp_path.iterdir())


def test_a_metric_from_a_file_of_twenty_lines(bench, data, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "class Mine:\n"
        "    def __call__(self, x, y):\n"
        "        return (x - y).flatten(1).norm(dim=1)\n\n\n"
        "class Embeds:\n"
        "    def embed(self, x):\n"
        "        return x.flatten(1) - 0.5\n\n\n"
        "class Wrong:\n"
        "    def __call__(self, x, y):\n"
        "        return (x - y).norm()\n"
    )
    words = (
        "run",
        "--attack",
        "l2-aa(steps=10,starts=1,fmn_steps=5,fab_steps=5,queries=5)",
        "--eps",
        "2",
        "--data",
        data,
    )
    for name in ("Mine", "Embeds"):
        rows = bench.json(*words, "--metric", f"py:{file}:{name}", "--runs", tmp_path / "runs")
        assert [row["kind"] for row in rows] == ["natural", "attack"]
    refused = bench.refusal(*words, "--metric", f"py:{file}:Wrong", "--runs", tmp_path / "runs")
    assert "expected a tensor (2,)" in refused
    assert "it has: Mine, Embeds" in bench.refusal(*words, "--metric", f"py:{file}:Mien", "--runs", tmp_path / "runs")


def test_a_changed_metric_file_is_another_run(bench, data, tmp_path):
    file = tmp_path / "mine.py"
    words = ("run", "--attack", "l2-pgd(steps=1)", "--eps", "1", "--data", data, "--metric", f"py:{file}:Mine")
    runs = []
    for factor in (1, 2):
        file.write_text(
            f"class Mine:\n    def __call__(self, x, y):\n        return {factor} * (x - y).flatten(1).norm(dim=1)\n"
        )
        runs.append(bench.json(*words, "--runs", tmp_path / "runs")[0]["run"])
    assert runs[0] != runs[1]


IN_TURN = """
import json, os, pathlib, sys
import torch
from perceptbench.bench.cli import main

sys.path.insert(0, os.getcwd())
words, cases = map(json.loads, sys.argv[1:])
for factor, name in cases:
    pathlib.Path("beside.py").write_text(f"K = {factor}\\n")
    if os.fork() == 0:
        sys.argv = ["bench", *words, "--metric", f"py:mine.py:{name}", "--json"]
        main()
    if os.wait()[1] != 0:
        sys.exit("it failed")
"""
"""A process for each case, forked from one that has imported torch, and nothing of the user."""


def test_whatever_a_metric_file_computes_with_enters_the_identity(data, tmp_path):
    """Its class, the modules beside it, and the weights of its networks."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\nfrom beside import K\n\n\n"
        "class Net:\n"
        "    def __init__(self, scale=1.0):\n"
        "        self.net = torch.nn.Linear(1, 1)\n"
        "        torch.nn.init.constant_(self.net.weight, scale)\n\n"
        "    def __call__(self, x, y):\n"
        "        return K * (x - y).flatten(1).norm(dim=1) * self.net.weight.abs().sum()\n\n\n"
        "def one():\n    return Net(1.0)\n\n\ndef two():\n    return Net(2.0)\n"
    )
    words = ["run", "--attack", "l2-pgd(steps=1)", "--eps", "1", "--data", data, "--limit", "2", "--runs", "runs"]
    cases = [(1, "one"), (1, "two"), (2, "one")]
    program = [sys.executable, "-c", IN_TURN, json.dumps(words), json.dumps(cases)]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    runs = {json.loads(line)["rows"][0]["run"] for line in done.stdout.splitlines()}
    assert len(runs) == 3


def test_a_failing_metric_of_yours_is_named_with_its_own_words(bench, data, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "class Raises:\n    def __call__(self, x, y):\n        raise ValueError('boom')\n\n\n"
        "class Flat:\n    def embed(self, x):\n        return x.mean((1, 2, 3))\n\n\n"
        "class Stuck:\n    def __call__(self, x, y):\n        return (x - y).detach().flatten(1).norm(dim=1)\n\n\n"
        "class Never:\n    def __init__(self):\n        raise RuntimeError('no weights')\n"
    )
    words = (
        "run",
        "--attack",
        "l2-pgd(steps=2)",
        "--eps",
        "1",
        "--data",
        data,
        "--runs",
        tmp_path / "runs",
        "--metric",
    )
    for name, sentence in (
        ("Raises", "Raises failed: ValueError: boom"),
        ("Flat", "expected a tensor (2, d), got (2,)"),
        ("Stuck", "the metric has no gradient, which l2-pgd(steps=2) asks for; use l2-square"),
        ("Never", "RuntimeError: no weights"),
    ):
        assert sentence in bench.refusal(*words, f"py:{file}:{name}")


def test_certify_knows_what_cannot_be_certified(bench, data, tmp_path):
    refused = bench.refusal("certify", "--metric", "ssim", "--eps", "1", "--data", data, "--runs", tmp_path / "runs")
    assert "wants an embedding with a known Lipschitz constant" in refused
    rows = bench.json("certify", "--metric", "l2,psnr", "--eps", "1", "--data", data, "--runs", tmp_path / "runs")
    assert {(row["metric"], row["kind"]) for row in rows} == {
        (m, k) for m in ("l2", "psnr") for k in ("natural", "certificate")
    }
    scores = {row["metric"]: row["score"] for row in rows if row["kind"] == "certificate"}
    assert scores["l2"] == scores["psnr"]


def test_distance_and_its_interval(bench, data):
    from pathlib import Path

    folder = Path(data.removeprefix("csv:")).parent
    pair = (folder / "3_ref.png", folder / "3_left.png")
    answer = json.loads(bench("distance", *pair, "--metric", "l2", "--eps", "0.5", "--json"))
    assert answer["low"] == pytest.approx(answer["distance"] - 0.5, rel=1e-4)
    assert answer["high"] == pytest.approx(answer["distance"] + 0.5, rel=1e-4)
    assert json.loads(bench("distance", pair[0], pair[0], "--metric", "l2", "--json"))["distance"] == 0
    assert "nothing can be proved of ssim" in bench.refusal("distance", *pair, "--metric", "ssim", "--eps", "1")
    assert "missing.png" in bench.refusal("distance", pair[0], folder / "missing.png", "--metric", "l2")


@pytest.mark.parametrize("kind", ["metrics", "attacks", "certifiers", "data", "tasks", "threats", "engines"])
def test_list_shows_every_name(bench, kind):
    from perceptbench.bench.commands.listing import Kind, _registry

    printed = bench("list", kind)
    assert all(name in printed for name in _registry(Kind(kind)).names())


def test_report_of_a_run_and_of_none(bench, data, tmp_path):
    words = ("run", "--metric", "l2", "--attack", "l2-pgd(steps=2)", "--eps", "1", "--data", data)
    bench(*words, "--runs", tmp_path / "runs")
    written = bench("report", "--runs", tmp_path / "runs", "--to", tmp_path / "report").split()
    assert {path.rpartition(".")[2] for path in written} == {"md", "png", "pdf"}
    refused = bench.refusal("report", "--runs", tmp_path / "none", "--to", tmp_path / "other")
    assert "bench run" in refused
    assert str(tmp_path / "none") in refused.replace("\n", "")


def test_the_packages_the_extras_bring_can_be_imported():
    """They stand side by side: the extra `all` resolves, and each imports."""
    import importlib
    import warnings

    for name in ("lpips", "dreamsim", "pyautoattack", "torchattacks"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
