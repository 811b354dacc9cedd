"""Any task, asked of a metric that draws at random: every answer is that of the majority of several draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.over_draws import VERDICT_DRAWS, OverDraws
from perceptbench.certifiers.base import Certifier, Proof
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.tasks.base import Aim, Clean, Columns, Judged, Source, State, Task


@dataclass(frozen=True)
class DrawnTask(Task[tuple[Any, ...]]):
    """Another task, prepared several times, each time with draws of its own.

    What is stored of a sample is what the first draw says that gives the answer of the majority; of an endless goal,
    which has no answer, the mean of all draws. A metric that does not draw is asked once.
    """

    inner: Task[Any]

    name = property(lambda self: self.inner.name)  # type: ignore[assignment]
    goals = property(lambda self: self.inner.goals)  # type: ignore[assignment]
    kinds = property(lambda self: self.inner.kinds)  # type: ignore[assignment]
    moves = property(lambda self: self.inner.moves)  # type: ignore[assignment]
    endless = property(lambda self: self.inner.endless)  # type: ignore[assignment]
    by_embedding = property(lambda self: self.inner.by_embedding)  # type: ignore[assignment]
    provable = property(lambda self: self.inner.provable)  # type: ignore[assignment]
    attacked = property(lambda self: self.inner.attacked)  # type: ignore[assignment]
    repeats = property(lambda self: self.inner.repeats)  # type: ignore[assignment]
    chance = property(lambda self: self.inner.chance)  # type: ignore[assignment]
    columns = property(lambda self: self.inner.columns)  # type: ignore[assignment]
    later = property(lambda self: self.inner.later)  # type: ignore[assignment]
    fitted_apart = property(lambda self: self.inner.fitted_apart)

    def admit(self, source: Source) -> None:
        self.inner.admit(source)

    def answered(self, source: Source) -> Source:
        return self.inner.answered(source)

    def fit(self, metric: Metric, source: Source, device: str) -> State:
        return self.inner.fit(metric, source, device)

    def prepare(self, metric: Metric, batch: Any, aim: Aim, state: State) -> tuple[Any, ...]:
        count = VERDICT_DRAWS if metric.stochastic else 1
        return tuple(self.inner.prepare(metric, batch, aim, state) for _ in range(count))

    def clean(self, prepared: tuple[Any, ...]) -> Clean:
        draws = [self.inner.clean(one) for one in prepared]
        judged = [one.judged for one in draws]
        return Clean(self._stored(judged, [one.columns for one in draws]), self._voted(judged))

    def moving(self, prepared: tuple[Any, ...]) -> Images:
        return self.inner.moving(prepared[0])

    def objective(self, prepared: tuple[Any, ...]) -> Objective:
        draws = tuple(self.inner.objective(one) for one in prepared)
        return draws[0] if len(draws) == 1 else OverDraws(draws)

    def prove(self, prepared: tuple[Any, ...], certifier: Certifier, threat: Threat, noise: Noise) -> Proof:
        return self.inner.prove(prepared[0], certifier, threat, noise)

    def prove_at(self, prepared: tuple[Any, ...], certifier: Certifier, threat: Threat, eps: float) -> Columns:
        return self.inner.prove_at(prepared[0], certifier, threat, eps)

    def judge(self, prepared: tuple[Any, ...], changed: Tensor, index: Tensor) -> Judged:
        return self._voted([self.inner.judge(one, changed, index) for one in prepared])

    def images(self, prepared: tuple[Any, ...], changed: Tensor) -> Mapping[str, Images]:
        return self.inner.images(prepared[0], changed)

    def pictured(self, metric: Metric, batch: Any, aim: Aim, state: State, changed: Tensor) -> Mapping[str, Images]:
        return self.inner.pictured(metric, batch, aim, state, changed)

    def _voted(self, draws: Sequence[Judged]) -> Judged:
        return Judged(_majority(draws), self._stored(draws, [one.columns for one in draws]))

    def _stored(self, draws: Sequence[Judged], columns: Sequence[Columns]) -> Columns:
        voted = torch.stack([one.reached for one in draws]) == _majority(draws)
        first = voted.to(torch.int8).argmax(0)
        return {name: _chosen([one[name] for one in columns], first, self.endless) for name in columns[0]}


def _majority(draws: Sequence[Judged]) -> Tensor:
    reached = torch.stack([one.reached for one in draws])
    return 2 * reached.sum(0) > len(draws)


def _chosen(values: Sequence[Any], first: Tensor, mean: bool) -> Any:
    """Of a column its values in all draws, from the draw `first` (n,) of each sample; the mean of numbers if `mean`."""
    if not isinstance(values[0], Tensor):
        return [values[draw][i] for i, draw in enumerate(first.tolist())]
    every = torch.stack(list(values))
    if mean and every.is_floating_point():
        return every.mean(0)
    return every.gather(0, first.to(every.device)[None])[0]
