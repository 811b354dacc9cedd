"""`bench train lipsim --smoke`: both stages on the embedded photographs, judged on some it never saw."""

import sys
import tempfile
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

import typer

from core.files import weights_target

if TYPE_CHECKING:
    from training.config import TrainConfig
    from training.validation import ValidationTriplets

TEACHER = "effnet-lite0"
SHOWN = {"natural": "natural", "certified": "certified at 108/255", "certified_1": "certified at 1"}


def run(to: Path | None, command: str) -> None:
    """Train a small network, print scores before and after; keep the weights where `to` is given.

    Every fourth embedded photograph is kept for the end: no step and no choice of weights sees it.
    Raises UserError for a `to` that cannot be written, Exit 1 where natural or certified score did not rise.
    """
    from metrics.lipschitz.checkpoint import load_network
    from metrics.lipschitz.network import untrained
    from training.config import Machine, Sources
    from training.lipsim import train_lipsim
    from training.stages import scores
    from triplets.photos import FOLDER

    if to is not None:
        weights_target(to)
    config, files = recipe(), sorted(FOLDER.glob("*.jpg"))
    judged = files[::4]
    with tempfile.TemporaryDirectory() as scratch:
        learn, last = (
            _copied(part, Path(scratch) / name)
            for part, name in ((set(files) - set(judged), "learn"), (judged, "judged"))
        )
        written = to or Path(scratch) / "smoke.safetensors"
        train_lipsim(Sources(images=(learn,), teacher=TEACHER), config, Machine(), written, command)
        questions = _questions(last, config)
        before, after = (
            scores(net, questions) for net in (untrained(config.network, config.seed), load_network(written))
        )
    print(
        f"before and after training, in percent of n = {len(questions.triplets)} triplets of {len(judged)} photographs"
    )
    print("it never saw, ordered as the teacher does, each weighing as much as the teacher is sure:")
    for name, words in SHOWN.items():
        print(f"  {words:20} {before[name]:5.1f} -> {after[name]:5.1f}")
    if to is not None:
        print(to)
    if not all(after[name] > before[name] for name in ("natural", "certified")):
        print("bench: training did not improve both scores; try a clean checkout", file=sys.stderr)
        raise typer.Exit(1)


def recipe() -> "TrainConfig":
    """Small enough for two cores and three minutes."""
    from metrics.lipschitz.network import LipSimConfig
    from training.config import Stage, TrainConfig
    from training.losses import Objective

    asked = Objective(radius=2.0)
    return TrainConfig(
        network=LipSimConfig(size=64, stem=4, depths=(2, 2), inners=(48, 48), linears=2, linear_inner=96),
        distil=Stage(steps=120, lr=1e-2, objective=asked),
        finetune=Stage(steps=40, lr=2e-3, objective=asked),
        batch=24,
        held_out=3,
        views=16,
        cluster=6,
        neighbours=12,
        jitter=0.25,
        pool=6,
        precision="fp32",
    )


def _copied(files: "set[Path] | list[Path]", folder: Path) -> Path:
    folder.mkdir()
    for file in files:
        copyfile(file, folder / file.name)
    return folder


def _questions(folder: Path, config: "TrainConfig") -> "ValidationTriplets":
    """Triplets of views of the photographs in a folder, as the teacher orders them."""
    from core.spec import Ref
    from metrics.base import EmbeddingMetric, metric
    from training.bank import load_bank
    from training.items import all_items
    from training.neighbours import neighbours
    from training.teacher import teacher_embeddings
    from training.validation import validation_triplets
    from training.views import Views

    teacher, bank = metric.build(Ref.parse(TEACHER)), load_bank((folder,))
    assert isinstance(teacher, EmbeddingMetric)
    views = Views(config.network.size, config.views, config.seed)
    items = all_items(bank, views, teacher_embeddings(teacher, TEACHER, bank, views))
    return validation_triplets(items, neighbours(items, config.neighbours))
