"""The arguments of a training run: typed, frozen, and written into its record."""

from dataclasses import dataclass, field

from metrics.lipschitz.network import LipSimConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of training.

    Args:
        steps: optimiser steps.
        lr: peak learning rate; linear warm-up, then cosine to zero.
        radius: the certified radius (pixel l2) at which the hinge stops pulling.
    """

    steps: int
    lr: float
    radius: float
    warmup: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything that decides the weights, but for the data.

    Args:
        clustered: share of the batches drawn as clusters of the teacher's neighbours, so that
            also small differences are ordered; the others are drawn at random.
        cluster: images in each cluster.
        jitter: share of the views that are colour-jittered (the paper's second pipeline).
        pool: triplets drawn from each data set to fine-tune on.
        amp: bfloat16 autocast; the scales of the layers stay in float32.
    """

    network: LipSimConfig = field(default_factory=LipSimConfig)
    distil: Stage = field(default_factory=lambda: Stage(steps=1500, lr=2e-3, radius=5.0))
    finetune: Stage = field(default_factory=lambda: Stage(steps=300, lr=5e-4, radius=5.0, warmup=20))
    batch: int = 48
    clustered: float = 0.5
    cluster: int = 8
    neighbours: int = 50
    jitter: float = 0.5
    pool: int = 300
    amp: bool = True
    seed: int = 0
