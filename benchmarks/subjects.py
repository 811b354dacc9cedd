"""The metrics that are measured, each as ours and as the literal protocol would have it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import cast

from torch import nn

from benchmarks.random_vit import RandomViT, SmallViT
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import EmbeddingMetric, metric
from perceptbench.metrics.lipsim.checkpoint import load_network
from perceptbench.metrics.lipsim.lipsim_paper import AuthorsConv, PaperNet

COORDINATES = 1792
SEED = 0


@dataclass(frozen=True)
class Subject:
    """A metric, and the network behind it with nothing folded in.

    Args:
        trained: its answers mean something, so that triplets are those it answers rightly; an
            untrained metric is attacked on whatever it prefers.
    """

    name: str
    metric: EmbeddingMetric
    literal: Callable[[], nn.Module]
    trained: bool


@lru_cache(maxsize=4)
def subject(name: str, device: str) -> Subject:
    """`lipsim-paper` (random weights), `lipsim` (the shipped ones) or `vit-s` (random weights)."""
    if name == "vit-s":
        return Subject(name, RandomViT(SEED).to(device), cache(lambda: SmallViT(SEED).to(device)), trained=False)
    ref = f"lipsim-paper(untrained_seed={SEED})" if name == "lipsim-paper" else name
    made = cast(EmbeddingMetric, metric.build(Ref.parse(ref)).to(device))
    unfrozen = _paper if name == "lipsim-paper" else _lipsim
    literal = cache(lambda: unfrozen().eval().requires_grad_(False).to(device))
    return Subject(name, made, literal, trained=name == "lipsim")


def _paper() -> nn.Module:
    with forked_rng(SEED):
        return PaperNet(COORDINATES, AuthorsConv)


def _lipsim() -> nn.Module:
    with resources.as_file(resources.files("perceptbench.metrics") / "weights" / "lipsim.safetensors") as path:
        return load_network(path)
