"""The arguments of a training run: typed, frozen, and written into its record. No torch.

The defaults are the recipe of the weights that ship. The fields also state the options of `bench train lipsim`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from perceptbench.core.device import DEVICES, Device
from perceptbench.core.errors import UserError
from perceptbench.core.number import MOST_SEED
from perceptbench.core.option import Follows, nested, option
from perceptbench.metrics.lipsim.shape import NETWORKS, LipSimConfig

LOSSES = ("hinge", "cosine", "hkr")
PRECISIONS = ("bf16", "fp32")


@dataclass(frozen=True, slots=True, kw_only=True)
class TripletLoss:
    """The loss of a triplet; losses.py computes it.

    Args:
        loss: "hinge" and "hkr" are of the certified radius, "cosine" of the paper's margin.
        radius: what "hinge" and "hkr" ask for, in pixel l2.
        margin: what "cosine" asks for, in units of the cosine distance.
        hinge_weight: the weight of the hinge in "hkr".
        focus: of a batch, how fast the weight of a triplet falls with the teacher's distance of its images: by a
            factor e where the two cosine distances from the reference grow by as much together; 0 for not at all.
    """

    loss: str = field(default="hinge", metadata=option("hinge, cosine or hkr."))
    radius: float = field(default=5.0, metadata=option("Radius asked for, pixel l2."))
    margin: float = field(default=0.5, metadata=option("Cosine distance asked for by cosine.", section="Losses"))
    hinge_weight: float = field(default=10.0, metadata=option("Of the hinge in hkr.", section="Losses"))
    focus: float = field(default=0.3, metadata=option("Weigh like images more; 0 for none.", section="Losses"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of training.

    Args:
        steps: optimiser steps; 0 leaves the stage out.
        lr: peak learning rate; linear warm-up, then cosine to zero.
        warmup: steps of the warm-up, at most a fifth of all.
        objective: what is asked of every triplet.
    """

    steps: int = field(metadata=option("Steps; 0 for none.", min=0, max=100_000_000))
    lr: float = field(metadata=option("Peak learning rate; a sixth in stage 2."))
    warmup: int = 100
    objective: TripletLoss = field(default=TripletLoss(), metadata=nested())

    def learning_rate(self, step: int) -> float:
        """That of one step: like all else, a function of the step alone."""
        warmup = min(self.warmup, max(1, self.steps // 5))
        if step < warmup:
            return self.lr * (step + 1) / warmup
        progress = (step - warmup) / max(1, self.steps - warmup)
        return self.lr * (1 + math.cos(math.pi * progress)) / 2


_SECOND: Mapping[str, Follows] = {
    "lr": Follows("a sixth of --lr", lambda config: config.distil.lr / 6),
    "radius": Follows("--radius", lambda config: config.distil.objective.radius),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything that decides the weights, but for the data.

    Args:
        distil: the first stage orders photographs as the teacher does.
        finetune: the second one learns from triplets.
        batch: images of a step, over all processes; a third as many triplets.
        accumulate: batches whose gradients are averaged for one step of the optimiser.
        held_out: one photograph in about as many is never learnt from; their scores choose the weights.
        views: views of every photograph that the teacher embeds.
        clustered: share of the batches drawn as clusters of the teacher's neighbours, so that
            also small differences are ordered; the others are drawn at random.
        cluster: images in each cluster.
        same_photo: of them, other views of the photograph that the cluster is drawn around.
        neighbours: photographs most alike to each one, from which clusters are drawn.
        jitter: share of the views that are colour-jittered (the paper's second pipeline).
        triplets_per_set: triplets drawn from each data set to fine-tune on.
        rehearse: share of the steps of fine-tuning that go on ordering as the teacher does, so
            that what was distilled is not forgotten.
        early: write the weights of the highest certified score on what is held out; else the last ones.
        ema: decay of the running average of the weights that is judged and written; 0 for none.
        precision: "bf16" is autocast; the scales of the layers stay in float32.
        seed: of every random number.
    """

    network: LipSimConfig = field(
        default=NETWORKS["window"], metadata=option("Its shape.", section="Network", named=NETWORKS)
    )
    distil: Stage = field(
        default=Stage(steps=6500, lr=3e-3), metadata=nested("Stage 1: distil", names={"loss": "distil-loss"})
    )
    finetune: Stage = field(
        default=Stage(steps=300, lr=5e-4, warmup=20),
        metadata=nested(
            "Stage 2: fine-tune", names={"steps": "finetune-steps", "radius": "finetune-radius"}, follows=_SECOND
        ),
    )
    batch: int = field(
        default=48,
        metadata=option(
            "Images a step, over all processes.", name="batch-size", section="Optimiser", min=6, max=1_000_000
        ),
    )
    accumulate: int = field(default=1, metadata=option("Batches a step.", section="Optimiser", min=1, max=10_000))
    held_out: int = field(default=20, metadata=option("One photograph in so many judges.", section="Data", min=2))
    views: int = field(default=8, metadata=option("Views of each photograph.", section="Data", min=2, max=1000))
    clustered: float = 0.5
    cluster: int = 8
    same_photo: int = field(
        default=3,
        metadata=option("Other views of one photograph in a cluster.", name="kin", section="Data", min=0),
    )
    neighbours: int = 50
    jitter: float = field(default=0.0, metadata=option("Share of views in yet other colours.", section="Data"))
    triplets_per_set: int = field(
        default=300, metadata=option("Triplets drawn from each --data.", name="pool", section="Data", min=1)
    )
    rehearse: float = 0.5
    early: bool = True
    ema: float = field(default=0.0, metadata=option("Decay of the weights' average; 0 for none.", section="Optimiser"))
    precision: str = field(default="bf16", metadata=option("bf16 or fp32.", section="Optimiser"))
    seed: int = field(default=0, metadata=option("Seed of every random number.", section="Optimiser", max=MOST_SEED))

    def checked(self) -> Self:
        """Itself. Raises UserError for an option out of its range."""
        bounds = {
            "--jitter": (self.jitter, 0 <= self.jitter <= 1, "a share from 0 to 1"),
            "--ema": (self.ema, 0 <= self.ema < 1, "a decay from 0 to below 1"),
            "--accumulate": (self.accumulate, self.accumulate >= 1, "at least 1"),
            "--kin": (self.same_photo, 0 <= self.same_photo < self.cluster, f"0 to {self.cluster - 1}"),
            "--views": (self.views, self.views >= 2, "at least 2: the photograph and its mirror image"),
            "--batch-size": (self.batch, self.batch >= 6, "at least 6 images"),
            "--precision": (self.precision, self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        }
        for stage in (self.distil, self.finetune):
            asked = stage.objective
            bounds |= {
                "--steps": (stage.steps, stage.steps >= 0, "at least 0"),
                "--lr": (stage.lr, stage.lr > 0, "a positive number"),
                "--loss": (asked.loss, asked.loss in LOSSES, f"one of {', '.join(LOSSES)}"),
                "--radius": (asked.radius, asked.radius > 0, "a positive radius in pixel l2"),
                "--margin": (asked.margin, asked.margin > 0, "a positive margin"),
                "--focus": (asked.focus, asked.focus >= 0, "0, or a cosine distance above it"),
                "--hinge-weight": (asked.hinge_weight, asked.hinge_weight > 1, "a number above 1"),
            }
            _refuse(bounds)
        if self.distil.steps + self.finetune.steps == 0:
            raise UserError("expected --steps or --finetune-steps above 0, got none to train")
        return self


def _refuse(bounds: dict[str, tuple[object, bool, str]]) -> None:
    for name, (value, holds, wanted) in bounds.items():
        if not holds:
            raise UserError(f"{name} wants {wanted}, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a run computes: nothing of it decides the weights, up to rounding.

    Args:
        device: auto, cpu or cuda.
        devices: processes on each machine, with a GPU each where the device is cuda.
        nodes: machines, on each of which the same command runs.
        workers: processes that prepare batches, for each process that learns.
        checkpoint_every: minutes; at each twentieth of a stage there is a checkpoint anyway.
    """

    device: str = field(default="auto", metadata=option("Where to compute.", section="Machine", named=DEVICES))
    devices: int = field(
        default=1, metadata=option("GPUs, or processes on the CPU.", section="Machine", min=1, max=4096)
    )
    nodes: int = field(
        default=1, metadata=option("Machines, each given this command.", section="Machine", min=1, max=4096)
    )
    workers: int = field(default=0, metadata=option("Processes that load images.", section="Machine", min=0, max=1024))
    checkpoint_every: float = field(
        default=10.0, metadata=option("Minutes at most.", section="Machine", min=0, max=1_000_000)
    )

    @property
    def world(self) -> int:
        """Processes that learn together."""
        return self.devices * self.nodes

    @property
    def where(self) -> str:
        """cpu or cuda. Raises UserError where there is no GPU and one was asked for."""
        return Device(self.device).resolve()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What to learn from.

    Args:
        images: folders or tar files of photographs.
        teacher: an embedding metric of the registry.
        data: triplets to fine-tune on; without any, some are constructed from the photographs.
        limit: only this many photographs.
    """

    images: tuple[Path, ...] = field(
        default=(), metadata=option("Photographs: folders or tar files; repeat.", section="Data")
    )
    teacher: str = field(default="effnet-lite0", metadata=option("An embedding metric.", section="Data"))
    data: tuple[str, ...] = field(
        default=(), metadata=option("Triplets to fine-tune on; default: constructed.", section="Data")
    )
    limit: int | None = field(default=None, metadata=option("Only this many photographs.", section="Data", min=1))
