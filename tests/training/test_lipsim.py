"""Training on a handful of images: it learns, resumes exactly, and leaves a sound network."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import UserError
from metrics.lipschitz.checkpoint import load_network
from metrics.lipschitz.network import LipSimConfig, freeze
from training.bank import load_bank
from training.config import Stage, TrainConfig
from training.lipsim import Sources, train_lipsim
from training.losses import batch_radii, hinge, ordering_loss, triplet_radii

TINY = LipSimConfig(size=32, stem=4, depths=(1, 1), inners=(8, 8), linears=1, linear_inner=16)


def config(**changes) -> TrainConfig:
    base = {
        "network": TINY,
        "distil": Stage(steps=20, lr=1e-2, radius=1.0, warmup=2),
        "finetune": Stage(steps=4, lr=1e-3, radius=1.0, warmup=1),
        "batch": 12,
        "cluster": 3,
        "neighbours": 8,
        "pool": 1,
        "amp": False,
    }
    return TrainConfig(**{**base, **changes})


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


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def sources(photographs) -> Sources:
    return Sources(images=photographs, teacher="effnet-lite0")


def test_it_learns_and_the_record_says_how(sources, tmp_path):
    to = tmp_path / "out.safetensors"
    train_lipsim(sources, config(distil=Stage(steps=60, lr=1e-2, radius=1.0, warmup=5)), to, "bench train lipsim")
    record = json.loads(to.with_suffix(".json").read_text())
    assert record["curve"][-1]["natural"] > record["untrained"]["natural"] + 3
    assert record["curve"][-1]["certified"] > record["untrained"]["certified"]
    assert record["command"] == "bench train lipsim"
    assert {entry["stage"] for entry in record["curve"]} == {"distil", "finetune"}
    assert record["chosen"]["certified"] == max(entry["certified"] for entry in record["curve"])
    assert not to.with_name("out.safetensors.checkpoint").exists()
    stored = load_network(to)
    assert stored.config == TINY
    net = freeze(stored).double()
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert (net(x[:1]) - net(x[1:])).norm() <= (x[0] - x[1]).norm()


def test_a_resumed_run_gives_the_same_weights(sources, tmp_path, monkeypatch):
    whole, halves = tmp_path / "whole.safetensors", tmp_path / "halves.safetensors"
    train_lipsim(sources, config(), whole, "")
    from training.loop import Fit

    step = Fit._step

    def stop_in_the_middle(self, stage, number, loss):
        if number == 13:
            raise KeyboardInterrupt
        return step(self, stage, number, loss)

    monkeypatch.setattr(Fit, "_step", stop_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        train_lipsim(sources, config(), halves, "")
    monkeypatch.setattr(Fit, "_step", step)
    train_lipsim(sources, config(), halves, "")
    one, other = load_network(whole).state_dict(), load_network(halves).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_of_other_arguments_is_refused(sources, tmp_path, monkeypatch):
    from training.loop import Fit

    to = tmp_path / "out.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(
            Fit, "_step", lambda self, stage, number, loss: (_ for _ in ()).throw(KeyboardInterrupt) if number else 0.0
        )
        with pytest.raises(KeyboardInterrupt):
            train_lipsim(sources, config(), to, "")
    with pytest.raises(UserError, match="other arguments"):
        train_lipsim(sources, config(seed=1), to, "")
    fewer = Sources(images=sources.images, teacher=sources.teacher, limit=200)
    with pytest.raises(UserError, match="other arguments"):
        train_lipsim(fewer, config(), to, "")
    to.with_name("out.safetensors.checkpoint").write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="damaged"):
        train_lipsim(sources, config(), to, "")


def test_the_weights_kept_are_those_certified_most_often(tmp_path):
    from metrics.lipschitz.network import untrained
    from training.loop import Fit

    net = untrained(TINY, 0)
    fit = Fit(net, config(), tmp_path / "checkpoint", "identity")
    for mark, certified in ((1.0, 50.0), (2.0, 60.0), (3.0, 55.0)):
        torch.nn.init.constant_(net.head[0].bias, mark)
        fit._note({"stage": "distil", "step": int(mark), "loss": 0.0, "natural": 70.0, "certified": certified})
    assert fit.chosen["step"] == 2
    assert bool((fit.best["head.0.bias"] == 2).all())
    assert [entry["step"] for entry in fit.curve] == [1, 2, 3]


def test_bad_input_is_refused_before_anything_is_computed(sources, photographs, tmp_path):
    with pytest.raises(UserError, match="safetensors"):
        train_lipsim(sources, config(), tmp_path / "out.pt", "")
    with pytest.raises(UserError, match="embeddings"):
        train_lipsim(Sources(images=photographs, teacher="ssim"), config(), tmp_path / "o.safetensors", "")
    with pytest.raises(UserError, match="at least 40 photographs"):
        train_lipsim(
            Sources(images=photographs, teacher="effnet-lite0", limit=8), config(), tmp_path / "o.safetensors", ""
        )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"a\.png is not a readable image"):
        load_bank(tmp_path / "broken")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="found none"):
        load_bank(tmp_path / "empty")


def test_a_tar_file_and_a_folder_hold_the_same(photographs, tmp_path):
    import tarfile

    path = tmp_path / "images.tar"
    with tarfile.open(path, "w") as archive:
        for file in sorted(photographs.iterdir()):
            archive.add(file, file.name)
    one, other = load_bank(photographs, 32), load_bank(path, 32)
    assert one.sha256 == other.sha256
    assert torch.equal(one.images, other.images)


def test_the_loss_is_the_hinge_of_the_certified_radius():
    """In the plane the radius is the distance from the bisecting line of the anchors' directions."""
    reference, left, right = (torch.tensor([v]) for v in ([2.0, 1.0], [0.0, 3.0], [5.0, 0.0]))
    assert triplet_radii(reference, left, right).item() == pytest.approx((2 - 1) / 2**0.5)
    g = torch.cat([reference, left, right])
    assert batch_radii(g)[0, 2, 1].item() == pytest.approx(1 / 2**0.5)
    assert batch_radii(g)[0, 1, 2].item() == pytest.approx(-1 / 2**0.5)
    assert hinge(torch.tensor([0.0, 1.0, 3.0]), 2.0).tolist() == [1.0, 0.5, 0.0]


def test_the_ordering_loss_follows_the_teacher():
    g = torch.tensor([[3.0, 0.0], [3.0, 0.5], [0.0, 3.0]])
    agrees = g @ g.T
    assert ordering_loss(g, agrees, 1.0) < ordering_loss(g, -agrees, 1.0)
    assert ordering_loss(g, torch.zeros(3, 3), 1.0) == 0
