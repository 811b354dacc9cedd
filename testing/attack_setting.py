"""Attacks and certifiers with few steps and draws, and attacks run as the runner runs them."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.attacks.running.judge import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.certifiers.base import Certifier, certifier
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref, Scalar
from perceptbench.metrics.base import Metric
from perceptbench.testing.samples import subset
from perceptbench.triplets.base import Triplets

A = TypeVar("A")

# DDN changes its norm by 5 % a step: with few steps it has to begin near the radii in use here.
SMALL: dict[str, Scalar] = {
    "steps": 40, "queries": 300, "starts": 2, "fab_steps": 40, "fmn_steps": 40, "init_norm": 0.3
}  # fmt: skip
"""Numbers with which attacks are fast and still find what they are tested for."""


def fewer(attack: A, **numbers: Scalar) -> A:
    """The same attack with these numbers, as far as it has fields of these names: steps, queries, starts."""
    known = {field.name for field in fields(attack)} if is_dataclass(attack) else set()
    return replace(attack, **{name: n for name, n in numbers.items() if name in known})  # type: ignore[type-var]


def small_attack(name: str, **chosen: Scalar) -> Attack | Ensemble:
    """An attack as a user names it, with few steps where it has steps."""
    ref = Ref.parse(name)
    known = attack.resolve(ref)
    args = {key: value for key, value in {**SMALL, **chosen}.items() if key in known}
    return attack.build(replace(ref, args=tuple({**args, **dict(ref.args)}.items())))


def small_certifier(name: str) -> Certifier:
    """A registered certifier with few draws, where it draws."""
    small: dict[str, Scalar] = {"n": 200, "n0": 20, "m": 200, "delta": 0.2}
    known = certifier.resolve(Ref(name))
    return certifier.build(Ref(name, args=tuple((key, value) for key, value in small.items() if key in known)))


@dataclass(frozen=True)
class Setting:
    """One attack on one batch under one metric; `threat` is the ball of the attack's norm where none is given."""

    attack: Attack | Ensemble
    name: str
    metric: Metric
    batch: Triplets
    threat: ThreatSet | None = None

    def objective(self) -> FlipPreference:
        return FlipPreference.make(self.metric, self.batch.left, self.batch.right, self.batch.label)

    def run(self, *budgets: float, seed: int = 0, skip: Tensor | None = None) -> list[Outcome]:
        """Through the runner, outcomes by eps."""
        skip = torch.zeros(len(budgets), len(self.batch.ids), dtype=torch.bool) if skip is None else skip
        noise = Noise.make(seed, self.batch.ids)
        goal, x = self.objective(), self.batch.reference
        return list(run_attack(self.attack, self.name, goal, x, budgets, skip, noise, self.threat))


@dataclass(frozen=True)
class Rows:
    """One row each: for attacks with a budget of their own for every sample."""

    broken: list[bool]
    size: list[float]


def run_each(setting: Setting, budgets: Tensor, seed: int = 0) -> Rows:
    """Every sample alone, at a budget of its own."""
    outcomes = [
        replace(setting, batch=subset(setting.batch, torch.tensor([i]))).run(float(eps), seed=seed)[0]
        for i, eps in enumerate(budgets)
    ]
    return Rows([bool(o.broken[0]) for o in outcomes], [float(o.size[0]) for o in outcomes])
