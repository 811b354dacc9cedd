"""Trains one entry and scores it, both by the project's own means."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.study.grid import StudyEntry
from perceptbench.bench.planner import make_plans
from perceptbench.bench.progress import samples_progress
from perceptbench.bench.request import Request
from perceptbench.bench.runner import run_plans
from perceptbench.results.rows import Row, rows_of
from perceptbench.results.store import RunStore
from perceptbench.training.lipsim.config import Machine, Sources
from perceptbench.training.lipsim.train import train_lipsim

EPS = (108 / 255, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What every entry has the same of; lines of different budgets are not put into one table."""

    images: tuple[Path, ...]
    steps: int
    batch: int = 48
    seed: int = 0
    limit: int | None = None

    def __str__(self) -> str:
        some = f" (first {self.limit})" if self.limit else ""
        names = ", ".join(path.name for path in self.images)
        return f"{self.steps} steps of {self.batch} images of {names}{some}, seed {self.seed}"

    @property
    def folder(self) -> str:
        """Where its weights lie: those of another budget are not mistaken for them."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:12]


def train(entry: StudyEntry, budget: Budget, weights: Path, device: str) -> dict[str, Any]:
    """The record of its training: read where it is done, else trained, from its checkpoint if there is one."""
    record = weights.with_suffix(".json")
    if not record.is_file():
        sources = Sources(images=budget.images, teacher=entry.teacher, limit=budget.limit)
        config = entry.config(budget.steps, budget.batch, budget.seed)
        train_lipsim(sources, config, Machine(device=device), weights, "python -m benchmarks.study")
    made: dict[str, Any] = json.loads(record.read_text())
    return made


def score(weights: Path, data: Sequence[str], runs: Path, limit: int | None, device: str) -> list[Row]:
    """Natural scores and those with a proof at each of EPS, on each data set, kept as runs."""
    request = Request(
        metrics=[f"lipsim:{weights}"], data=data, attacks=[], certifiers=["margin"], eps=EPS, limit=limit, device=device
    )
    records = run_plans(make_plans(request), RunStore(runs), bars=samples_progress(show=True))
    return [row for record in records for row in rows_of(record)]
