"""`bench train lipsim --smoke`: trains both stages on embedded photographs, and scores on held-out ones."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

import typer

from perceptbench.bench.answers import answer

if TYPE_CHECKING:
    from perceptbench.metrics.lipsim.network import LipSimNet
    from perceptbench.training.lipsim.config import TrainConfig
    from perceptbench.triplets.base import TripletSource

SHOWN = {"natural": ("natural", 0.0), "certified": ("certified at 108/255", 108 / 255)}
_ASKED = 12
"""The number of triplets of each family of alterations in the final scores."""


def run(to: Path | None, command: str) -> None:
    """Train a small network and print scores before and after; write the weights where `to` is given.

    Every fourth embedded photograph is held out for the scores: no step and no choice of weights uses it.
    Raises UserError for a `to` that cannot be written, and Exit 1 where natural or certified score did not rise.
    """
    from perceptbench.metrics.lipsim.checkpoint import load_network
    from perceptbench.metrics.lipsim.network import untrained
    from perceptbench.training.lipsim.config import Machine, Sources
    from perceptbench.training.lipsim.data.photographs import load_photographs
    from perceptbench.training.lipsim.data.triplet_batches import constructed
    from perceptbench.training.lipsim.train import train_lipsim
    from perceptbench.triplets.photos import FOLDER

    config, files = recipe(), sorted(FOLDER.glob("*.jpg"))
    judged = files[::4]
    with tempfile.TemporaryDirectory() as scratch:
        learn = _copied([file for file in files if file not in judged], Path(scratch) / "learn")
        questions = constructed(load_photographs([_copied(judged, Path(scratch) / "judged")]), _ASKED, config.seed)
        written = to or Path(scratch) / "smoke.safetensors"
        train_lipsim(Sources(images=(learn,), teacher="effnet-lite0"), config, Machine(), written, command)
        nets = untrained(config.network, config.seed), load_network(written)
        before, after = (_scores(net, questions) for net in nets)
    answer(f"scores in percent before and after training, n = {len(questions)}: triplets of known order,")
    answer(f"constructed from {len(judged)} photographs it never saw")
    for name, (words, _) in SHOWN.items():
        answer(f"  {words:20} {before[name]:5.1f} -> {after[name]:5.1f}")
    if to is not None:
        answer(to)
    if not all(after[name] > before[name] for name in SHOWN):
        print("bench: expected training to improve both scores, which it did not; run the tests", file=sys.stderr)
        raise typer.Exit(1)


def recipe() -> "TrainConfig":
    """Small enough for two cores and three minutes. It keeps the last weights: three photographs cannot choose."""
    from perceptbench.metrics.lipsim.shape import LipSimConfig
    from perceptbench.training.lipsim.config import Stage, TrainConfig, TripletLoss

    asked = TripletLoss(radius=2.0, focus=0.0)
    return TrainConfig(
        network=LipSimConfig(size=64, stem=4, depths=(2, 2), inners=(48, 48), linears=2, linear_inner=96),
        distil=Stage(steps=30, lr=3e-3, objective=asked),
        finetune=Stage(steps=150, lr=3e-3, objective=asked),
        batch=36,
        held_out=3,
        views=6,
        cluster=4,
        same_photo=0,
        jitter=0.5,
        neighbours=8,
        triplets_per_set=400,
        rehearse=0.1,
        early=False,
        precision="fp32",
    )


def _copied(files: Sequence[Path], folder: Path) -> Path:
    folder.mkdir()
    for file in files:
        copyfile(file, folder / file.name)
    return folder


def _scores(net: "LipSimNet", questions: "TripletSource") -> dict[str, float]:
    """Natural and certified scores in percent: shares of signed radii above 0 and above 108/255."""
    import torch

    from perceptbench.metrics.lipsim.resize import resize
    from perceptbench.training.lipsim.losses import triplet_radii

    radii = []
    with torch.no_grad():
        for entry in questions.entries:
            images, gain = resize(torch.stack(entry.load()), net.config.size)
            reference, left, right = (net(images) / gain).chunk(3)
            radii.append((2 * entry.right_share - 1) * triplet_radii(reference, left, right))
    found = torch.cat(radii)
    return {name: 100 * (found > radius).float().mean().item() for name, (_, radius) in SHOWN.items()}
