"""The arguments of a training run: typed, frozen, and written into its record."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from perceptbench.core.errors import UserError
from perceptbench.metrics.lipsim.shape import LipSimConfig
from perceptbench.training.lipsim.losses import LOSSES, Objective

PRECISIONS = ("bf16", "fp32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of training.

    Args:
        steps: optimiser steps; 0 leaves the stage out.
        lr: peak learning rate; linear warm-up, then cosine to zero.
        warmup: steps of the warm-up, at most a fifth of all.
        objective: what is asked of every triplet.
    """

    steps: int
    lr: float
    warmup: int = 100
    objective: Objective = field(default_factory=Objective)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything that decides the weights, but for the data.

    Args:
        batch: images of a step, over all processes; a third as many triplets.
        accumulate: batches whose gradients are averaged for one step of the optimiser.
        held_out: one photograph in about as many is never learnt from; their scores choose the weights.
        views: views of every photograph that the teacher embeds.
        clustered: share of the batches drawn as clusters of the teacher's neighbours, so that
            also small differences are ordered; the others are drawn at random.
        cluster: images in each cluster.
        kin: of them, other views of the photograph the cluster is drawn around.
        jitter: share of the views that are colour-jittered (the paper's second pipeline).
        pool: triplets drawn from each data set to fine-tune on.
        rehearse: share of the steps of fine-tuning that go on ordering as the teacher does, so
            that what was distilled is not forgotten.
        early: write the weights of the highest certified score on what is held out; else the last ones.
        ema: decay of the running average of the weights that is judged and written; 0 for none.
        precision: "bf16" is autocast; the scales of the layers stay in float32.
    """

    network: LipSimConfig = field(default_factory=LipSimConfig)
    distil: Stage = field(default_factory=lambda: Stage(steps=1600, lr=3e-3))
    finetune: Stage = field(default_factory=lambda: Stage(steps=400, lr=5e-4, warmup=20))
    batch: int = 48
    accumulate: int = 1
    held_out: int = 20
    views: int = 2
    clustered: float = 0.5
    cluster: int = 8
    kin: int = 0
    neighbours: int = 50
    jitter: float = 0.5
    pool: int = 300
    rehearse: float = 0.5
    early: bool = True
    ema: float = 0.0
    precision: str = "bf16"
    seed: int = 0

    def checked(self) -> Self:
        """Itself. Raises UserError for an option out of its range."""
        bounds = {
            "--jitter": (self.jitter, 0 <= self.jitter <= 1, "a share from 0 to 1"),
            "--ema": (self.ema, 0 <= self.ema < 1, "a decay from 0 to below 1"),
            "--accumulate": (self.accumulate, self.accumulate >= 1, "at least 1"),
            "--kin": (self.kin, 0 <= self.kin < self.cluster, f"0 to {self.cluster - 1}"),
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
    for option, (value, holds, wanted) in bounds.items():
        if not holds:
            raise UserError(f"{option} wants {wanted}, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a run computes: nothing of it decides the weights, up to rounding.

    Args:
        device: cpu or cuda.
        devices: processes on each machine, with a GPU each where the device is cuda.
        nodes: machines, on each of which the same command runs.
        workers: processes that prepare batches, for each process that learns.
        checkpoint_every: minutes; at each twentieth of a stage there is a checkpoint anyway.
    """

    device: str = "cpu"
    devices: int = 1
    nodes: int = 1
    workers: int = 0
    checkpoint_every: float = 10.0

    @property
    def world(self) -> int:
        """Processes that learn together."""
        return self.devices * self.nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What to learn from.

    Args:
        images: folders or tar files of photographs.
        teacher: an embedding metric of the registry.
        data: triplets to fine-tune on; without any, some are constructed from the photographs.
        limit: only this many photographs.
    """

    images: tuple[Path, ...]
    teacher: str
    data: tuple[str, ...] = ()
    limit: int | None = None
