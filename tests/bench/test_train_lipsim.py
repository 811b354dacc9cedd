"""`bench train lipsim`: options from files, what is refused, and the config for ImageNet on a stub of it."""

import hashlib
import json
from dataclasses import asdict, replace
from importlib import resources

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from perceptbench.bench.cli import app
from perceptbench.bench.commands.smoke import recipe
from perceptbench.metrics.lipsim.checkpoint import load_network
from perceptbench.metrics.lipsim.shape import NETWORKS, LipSimConfig
from perceptbench.training.lipsim.config import Machine, Sources, TrainConfig

WEIGHTS = resources.files("perceptbench.metrics") / "weights"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def resolved(bench, tmp_path, monkeypatch):
    """What the training is asked for, without training."""
    asked = {}

    def note(sources, config, machine, to, command):
        asked.update(sources=sources, config=config, machine=machine, to=to)

    monkeypatch.setattr("perceptbench.training.lipsim.train.train_lipsim", note)

    def run(*words):
        bench("train", "lipsim", "--images", tmp_path, "--to", tmp_path / "out.safetensors", *words)
        return asked

    return run


def write(tmp_path, text):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return file


def test_a_file_gives_options_and_the_command_line_overrules_them(resolved, tmp_path):
    file = write(tmp_path, 'steps = 7\nlr = 1e-2\nloss = "hkr"\ndata = ["photos", "photos"]\nfinetune-radius = 2\n')
    asked = resolved("--config", file, "--steps", 9)
    config = asked["config"]
    assert (config.distil.steps, config.distil.lr) == (9, 1e-2)
    assert (config.finetune.objective.loss, config.distil.objective.loss) == ("hkr", "hinge")
    assert (config.finetune.objective.radius, config.distil.objective.radius) == (2.0, 5.0)
    assert asked["sources"].data == ("photos", "photos")
    assert resolved("--steps", 9, "--config", file)["config"] == config


def test_the_shipped_config_is_the_default_and_what_the_record_of_the_shipped_weights_says(resolved):
    record = json.loads((WEIGHTS / "lipsim.json").read_text())
    record["config"] |= {"same_photo": record["config"].pop("kin")}
    record["config"] |= {"triplets_per_set": record["config"].pop("pool")}
    # As JSON has it, where tuples are lists.
    assert json.loads(json.dumps(asdict(TrainConfig()))) == record["config"]
    assert Sources().teacher == record["sources"]["teacher"]
    for words in (("--config", "shipped"), ()):
        asked = resolved(*words)
        assert asked["config"] == TrainConfig()
        assert replace(asked["sources"], images=()) == Sources()
        assert asked["machine"] == Machine()
    weights = (WEIGHTS / "lipsim.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == record["weights"]["sha256"]
    assert not [path for path in record["sources"]["images"] if "/" in path]


def test_the_second_stage_learns_at_a_sixth_of_the_rate_and_shares_the_losses(resolved):
    asked = resolved("--lr", 0.6, "--margin", 0.2, "--hinge-weight", 3, "--focus", 0)["config"]
    assert (asked.distil.lr, asked.finetune.lr) == (0.6, pytest.approx(0.1))
    for stage in (asked.distil, asked.finetune):
        assert (stage.objective.margin, stage.objective.hinge_weight, stage.objective.focus) == (0.2, 3.0, 0.0)
    assert (asked.distil.warmup, asked.finetune.warmup) == (100, 20)


def test_a_network_is_chosen_by_name(resolved):
    assert resolved()["config"].network == NETWORKS["window"]
    assert resolved("--network", "sll")["config"].network == NETWORKS["sll"]


def test_the_radius_of_the_second_stage_is_that_of_the_first_unless_given(resolved):
    assert resolved("--radius", 3)["config"].finetune.objective.radius == 3.0
    assert resolved("--radius", 3, "--finetune-radius", 1)["config"].finetune.objective.radius == 1.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("finetune-step = 3", "no option is called 'finetune-step'; did you mean 'finetune-steps'?"),
        ('config = "shipped"', "no option is called 'config'"),
        ("[steps]\nmany = 3", "expected a number, a text or true for 'steps'"),
        ("steps = ", "is not a TOML file"),
        ("steps = " + "[" * 5000, "is not a TOML file"),
    ],
)
def test_a_file_that_is_wrong_gets_one_sentence(bench, tmp_path, text, sentence):
    message = bench.refusal("train", "lipsim", "--config", write(tmp_path, text))
    assert sentence in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "expected --images and --to"),
        (("--config", "nosuch"), "--config wants a TOML file or one of imagenet-dreamsim, shipped, got nosuch"),
        (("--loss", "l2"), "--loss wants one of hinge, cosine, hkr"),
        (("--radius", "-1"), "--radius wants a positive radius"),
        (("--ema", "1"), "--ema wants a decay from 0 to below 1"),
        (("--network", "resnet"), "--network wants one of sll, window, got resnet"),
        (("--precision", "fp16"), "--precision wants one of bf16, fp32"),
        (("--jitter", "2"), "--jitter wants a share"),
        (("--steps", "0", "--finetune-steps", "0"), "none to train"),
        (("--devices", "2", "--batch-size", "16", "--device", "cpu"), "--batch-size wants a multiple of 6"),
    ],
)
def test_a_wrong_option_gets_one_sentence_before_anything_is_read(bench, tmp_path, words, sentence):
    needed = ("--images", tmp_path / "none", "--to", tmp_path / "made" / "out.safetensors") if words else ()
    message = bench.refusal("train", "lipsim", *needed, *words)
    assert sentence in message
    assert "\n" not in message


def test_the_config_for_imagenet_on_a_stub_of_it(bench, tmp_path):
    """The native layout: train/WNID/WNID_NUMBER.JPEG."""
    rng = np.random.default_rng(0)
    for i in range(8):
        wnid = f"n0144076{i % 2}"
        file = tmp_path / "train" / wnid / f"{wnid}_{i}.JPEG"
        file.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        small.resize((80, 64), Image.Resampling.BICUBIC).save(file, "JPEG")
    to = tmp_path / "out.safetensors"
    bench(
        "train", "lipsim", "--config", "imagenet-dreamsim", "--images", tmp_path / "train", "--to", to,
        "--teacher", "effnet-lite0", "--steps", 2, "--finetune-steps", 1, "--batch-size", 6, "--device", "cpu",
        "--devices", 1, "--workers", 1, "--held-out", 2, "--pool", 1,
    )  # fmt: skip
    record = json.loads(to.with_suffix(".json").read_text())
    assert record["images"]["n"] == 8
    assert record["config"]["ema"] == 0.999
    assert record["machine"]["workers"] == 1
    assert [entry["stage"] for entry in record["curve"]] == ["distil", "distil", "finetune"]
    assert load_network(to).config.size == 224


@pytest.mark.parametrize(("steps", "lr", "code"), [(40, 3e-3, 0), (1, 1e-12, 1)])
def test_smoke_exits_1_unless_both_scores_rose(tmp_path, monkeypatch, steps, lr, code):
    """A few steps do it on triplets of known order; steps of no length leave both scores where they were."""
    whole = recipe()
    tiny = LipSimConfig(size=32, stem=4, depths=(1, 1), inners=(16, 16), linears=1, linear_inner=32)
    finetune = replace(whole.finetune, steps=steps, lr=lr)
    few = replace(
        whole,
        network=tiny,
        distil=replace(whole.distil, steps=1, lr=lr),
        finetune=finetune,
        triplets_per_set=60,
        views=2,
    )
    monkeypatch.setattr("perceptbench.bench.commands.smoke.recipe", lambda: replace(few, batch=12))
    to = tmp_path / "smoke.safetensors"
    result = CliRunner().invoke(app, ["train", "lipsim", "--smoke", "--to", str(to)], catch_exceptions=False)
    assert result.exit_code == code
    assert "from 4 photographs it never saw" in result.stdout
    assert to.is_file()
