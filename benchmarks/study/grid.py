"""What the study trains: one default, and entries that each change one thing of it."""

import re
from dataclasses import dataclass, replace
from typing import Any

from perceptbench.core.errors import UserError
from perceptbench.metrics.lipsim.shape import NETWORKS, LipSimConfig
from perceptbench.training.lipsim.config import Stage, TrainConfig, TripletLoss

BASELINE = "default"

ASKED = TripletLoss(focus=0.3)
"""Of every triplet, unless the loss is what changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEntry:
    """One network and one way to train it.

    Args:
        name: as in the table and the figure.
        question: what is asked by changing it; entries of one question share a colour.
        same_photo: views of one photograph in each cluster.
        finetuned: share of the steps spent on constructed triplets, after the others.
        rehearse: share of those that go on ordering as the teacher does.
        lr: peak learning rate, a sixth of it for fine-tuning after distillation.
    """

    name: str
    question: str
    network: LipSimConfig = NETWORKS["window"]
    teacher: str = "effnet-lite0"
    views: int = 8
    same_photo: int = 3
    jitter: float = 0.0
    finetuned: float = 0.0
    rehearse: float = 0.5
    lr: float = 3e-3
    objective: TripletLoss = ASKED

    @property
    def file(self) -> str:
        """The name as part of a path."""
        return re.sub(r"[^a-z0-9.]+", "-", self.name.lower())

    def config(self, steps: int, batch: int, seed: int) -> TrainConfig:
        """Arguments of a training run of so many steps over both stages."""
        late = round(self.finetuned * steps)
        return TrainConfig(
            network=self.network,
            distil=Stage(steps=steps - late, lr=self.lr, objective=self.objective),
            # Alone it has to learn everything, after distillation only a little.
            finetune=Stage(
                steps=late, lr=self.lr if late == steps else self.lr / 6, warmup=20, objective=self.objective
            ),
            batch=batch,
            views=self.views,
            same_photo=self.same_photo,
            jitter=self.jitter,
            rehearse=self.rehearse,
            seed=seed,
        )


def _shape(name: str, question: str, **changes: Any) -> StudyEntry:
    return StudyEntry(name=name, question=question, network=replace(NETWORKS["window"], **changes))


def _family(name: str, lr: float = 3e-3, **changes: Any) -> StudyEntry:
    """The layers of another family in their own default shape, with the same end."""
    shape = replace(NETWORKS["sll"], **{"scaled": True, "spectrum": True} | changes)
    return StudyEntry(name=name, question="family", network=shape, lr=lr)


def _loss(name: str, **changes: Any) -> StudyEntry:
    return StudyEntry(name=name, question="loss", objective=replace(ASKED, **changes))


GRID = (
    StudyEntry(name=BASELINE, question=BASELINE),
    _shape("no spectrum", "spectrum", spectrum=False, folds=0),
    _shape("no folds", "spectrum", folds=0),
    _shape("4 folds", "spectrum", folds=4),
    _shape("no weights", "spectrum", scaled=False),
    _shape("no dense layer", "spectrum", linears=0),
    _family("sll"),
    _family("sll, no spectrum, no weights", scaled=False, spectrum=False),
    # The bounds of AOL and LiResNet add up what a step changes in all inputs of a unit, and divide the signal by
    # it, where SLL only does less: at the default rate they collapse.
    _family("aol, lr / 10", 3e-4, family="aol"),
    _family("cayley", family="cayley"),
    _family("liresnet, lr / 10", 3e-4, family="liresnet"),
    _shape("shallow 2+1", "shape", depths=(2, 1)),
    _shape("deep 8+4", "shape", depths=(8, 4)),
    _shape("narrow 128, 192", "shape", widths=(128, 192), inners=(128, 192)),
    _shape("wide 256, 512", "shape", widths=(256, 512), inners=(256, 512)),
    _shape("stem 8, 3 stages", "shape", stem=8, widths=(96, 256, 384), depths=(2, 4, 2), inners=(96, 256, 384)),
    _shape("stem 32, 1 stage", "shape", stem=32, widths=(384,), depths=(6,), inners=(384,)),
    StudyEntry(name="jitter 0.5", question="data", jitter=0.5),
    StudyEntry(name="no same photo", question="data", same_photo=0),
    StudyEntry(name="2 views", question="data", views=2, same_photo=1),
    StudyEntry(name="2 views, mobilenetv2", question="data", views=2, same_photo=1, teacher="mobilenetv2"),
    StudyEntry(name="2 views, ensemble", question="data", views=2, same_photo=1, teacher="ensemble-cosine"),
    StudyEntry(name="fine-tuned", question="stage", finetuned=0.2),
    StudyEntry(name="from scratch", question="stage", finetuned=1.0, rehearse=0.0),
    _loss("no focus", focus=0.0),
    _loss("hinge 0.5", radius=0.5),
    _loss("hinge 1.5", radius=1.5),
    _loss("hinge 10", radius=10.0),
    _loss("cosine 0.2", loss="cosine", margin=0.2),
    _loss("cosine 0.5", loss="cosine", margin=0.5),
    _loss("hinge-KR", loss="hkr"),
)


def chosen(names: list[str] | None) -> tuple[StudyEntry, ...]:
    """The entries of these names, all for None. Raises UserError for one that is not there."""
    known = {entry.name: entry for entry in GRID}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise UserError(f"--only wants names of the grid ({'; '.join(known)}), got {unknown[0]!r}")
    return tuple(known[name] for name in names or known)
