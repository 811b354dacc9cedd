"""Training on a handful of images: it learns, resumes exactly, and leaves a sound network."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from perceptbench.core.errors import UserError
from perceptbench.metrics.lipsim.checkpoint import load_network
from perceptbench.metrics.lipsim.network import freeze
from perceptbench.metrics.lipsim.shape import LipSimConfig
from perceptbench.training.lipsim.config import Machine, Sources, Stage, TrainConfig, TripletLoss
from perceptbench.training.lipsim.loop import Fit
from perceptbench.training.lipsim.train import train_lipsim

TINY = LipSimConfig(size=32, stem=4, depths=(1, 1), inners=(8, 8), linears=1, linear_inner=16)

NEAR = TripletLoss(radius=1.0, focus=0.0)


def config(**changes) -> TrainConfig:
    base = {
        "network": TINY,
        "distil": Stage(steps=20, lr=1e-2, warmup=2, objective=NEAR),
        "finetune": Stage(steps=4, lr=1e-3, warmup=1, objective=NEAR),
        "batch": 12,
        "views": 2,
        "cluster": 3,
        "same_photo": 0,
        "jitter": 0.5,
        "neighbours": 8,
        "triplets_per_set": 1,
        "precision": "fp32",
    }
    return TrainConfig(**{**base, **changes})


def train(sources, settings, to, command=""):
    return train_lipsim(sources, settings, Machine(), to, command)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gratings in six orientations, of any phase and contrast."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:32, 0:32]
    for i in range(240):
        angle = np.pi * (i % 6) / 6
        wave = np.sin((np.cos(angle) * rows + np.sin(angle) * columns) * 0.7 + rng.uniform(0, 6))
        pixels = 127 + 60 * wave[..., None] * rng.uniform(0.5, 1, 3) + rng.normal(0, 12, (32, 32, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture
def sources(photographs, tmp_path) -> Sources:
    """The teacher knows orientation and not phase: the size of the spectrum."""
    file = tmp_path / "teacher.py"
    file.write_text(
        "import torch\n\n\n"
        "class Spectrum:\n"
        "    def embed(self, x):\n"
        "        return torch.fft.rfft2(x.float().mean(1) - 0.5).abs().flatten(1)\n"
    )
    return Sources(images=(photographs,), teacher=f"py:{file}:Spectrum")


def test_it_learns_and_the_record_says_how(sources, tmp_path):
    to = tmp_path / "out.safetensors"
    learns = config(distil=Stage(steps=60, lr=1e-2, warmup=5, objective=NEAR))
    train(sources, learns, to, "bench train lipsim")
    record = json.loads(to.with_suffix(".json").read_text())
    before, after = record["untrained"], record["curve"][-1]
    assert after["natural"] > before["natural"]
    assert after["certified"] > before["certified"] + 3, (before, after)
    assert record["command"] == "bench train lipsim"
    assert {entry["stage"] for entry in record["curve"]} == {"distil", "finetune"}
    assert record["chosen"]["certified"] == max(entry["certified"] for entry in record["curve"])
    assert not to.with_name("out.safetensors.checkpoint").exists()
    stored = load_network(to)
    assert stored.config == TINY
    net = freeze(stored).double()
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert (net(x[:1]) - net(x[1:])).norm() <= (x[0] - x[1]).norm()


def stopping_at(number):
    step = Fit._step

    def stop(self, stage, at, micro, loss):
        if at == number:
            raise KeyboardInterrupt
        return step(self, stage, at, micro, loss)

    return stop


def test_a_resumed_run_gives_the_same_weights(sources, tmp_path):
    whole, halves = tmp_path / "whole.safetensors", tmp_path / "halves.safetensors"
    train(sources, config(), whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fit, "_step", stopping_at(13))
        with pytest.raises(KeyboardInterrupt):
            train(sources, config(), halves)
    train(sources, config(), halves)
    one, other = load_network(whole).state_dict(), load_network(halves).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_of_other_arguments_is_refused(sources, tmp_path):
    to = tmp_path / "out.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fit, "_step", stopping_at(1))
        with pytest.raises(KeyboardInterrupt):
            train(sources, config(), to)
    with pytest.raises(UserError, match="other arguments"):
        train(sources, config(seed=1), to)
    with pytest.raises(UserError, match="other arguments"):
        train(replace(sources, limit=200), config(), to)
    with pytest.raises(UserError, match="other arguments"):
        train(replace(sources, teacher="l2"), config(), to)


def test_bad_input_is_refused_before_anything_is_computed(sources, tmp_path):
    to = tmp_path / "made" / "o.safetensors"
    with pytest.raises(UserError, match="safetensors"):
        train(sources, config(), tmp_path / "out.pt")
    with pytest.raises(UserError, match="embeddings"):
        train(replace(sources, teacher="ssim"), config(), to)
    with pytest.raises(UserError, match="three held out"):
        train(replace(sources, limit=8), config(), to)
    with pytest.raises(UserError, match="batch of as many"):
        train(sources, config(batch=999), to)
    assert not any(to.parent.iterdir())
