"""What the study trains: one default, and entries that each change one thing of it."""

import re
from dataclasses import dataclass, field

from core.errors import UserError
from metrics.lipschitz.shape import NETWORKS, LipSimConfig
from training.config import Stage, TrainConfig
from training.losses import Objective

BASELINE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One network and one way to train it.

    Args:
        name: as in the table and the figure.
        question: what is asked by changing it; entries of one question share a colour.
        finetuned: share of the steps spent on constructed triplets, after the others.
        rehearse: share of those that go on ordering as the teacher does.
        lr: peak learning rate, a sixth of it for fine-tuning after distillation.
    """

    name: str
    question: str
    network: LipSimConfig = field(default_factory=LipSimConfig)
    teacher: str = "effnet-lite0"
    jitter: float = 0.5
    finetuned: float = 0.0
    rehearse: float = 0.5
    lr: float = 3e-3
    objective: Objective = field(default_factory=Objective)

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
            jitter=self.jitter,
            rehearse=self.rehearse,
            seed=seed,
        )


def _shape(name: str, question: str, **changes: object) -> Entry:
    return Entry(name=name, question=question, network=LipSimConfig(**changes))  # type: ignore[arg-type]


def _loss(name: str, **changes: object) -> Entry:
    return Entry(name=name, question="loss", objective=Objective(**changes))  # type: ignore[arg-type]


GRID = (
    Entry(name=BASELINE, question=BASELINE),
    # The bounds of AOL and LiResNet add up what a step changes in all inputs of a unit, and divide the signal by
    # it, where SLL only does less. So each family is tried with smaller steps too.
    *(
        Entry(name=f"{family}{said}", question="family", network=LipSimConfig(family=family), lr=lr)
        for family in ("aol", "cayley", "liresnet")
        for lr, said in ((3e-3, ""), (3e-4, ", lr / 10"))
    ),
    Entry(name="window", question="family", network=NETWORKS["window"]),
    _shape("shallow 1+2", "depth, width", depths=(1, 2)),
    _shape("deep 4+8", "depth, width", depths=(4, 8)),
    _shape("inner 48, 64", "depth, width", inners=(48, 64)),
    _shape("inner 192, 256", "depth, width", inners=(192, 256)),
    _shape("width 256", "depth, width", width=256),
    _shape("stem 4", "stem, scale", stem=4),
    _shape("stem 16", "stem, scale", stem=16, depths=(6,), inners=(128,)),
    _shape("half size, stem 4", "stem, scale", pre_pool=2, stem=4),
    _shape("dct", "stem, scale", basis="dct"),
    _shape("scaled", "stem, scale", scaled=True),
    _shape("dct, scaled", "stem, scale", basis="dct", scaled=True),
    Entry(name="no jitter", question="data", jitter=0.0),
    Entry(name="ensemble teacher", question="data", teacher="ensemble-cosine"),
    Entry(name="fine-tuned", question="data", finetuned=0.2),
    Entry(name="from scratch", question="data", finetuned=1.0, rehearse=0.0),
    _loss("hinge 0.5", radius=0.5),
    _loss("hinge 1.5", radius=1.5),
    _loss("cosine 0.2", loss="cosine", margin=0.2),
    _loss("cosine 0.5", loss="cosine", margin=0.5),
    _loss("hinge-KR", loss="hkr"),
)


def chosen(names: list[str] | None) -> tuple[Entry, ...]:
    """The entries of these names, all for None. Raises UserError for one that is not there."""
    known = {entry.name: entry for entry in GRID}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise UserError(f"--only wants names of the grid ({'; '.join(known)}), got {unknown[0]!r}")
    return tuple(known[name] for name in names or known)
