"""One run, ready to start; `bench/planner.py` makes it of a request."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from perceptbench.attacks.adaptive import MASKED, RANDOM, SIGNS, Adaptive
from perceptbench.attacks.base import Attack, Ensemble
from perceptbench.attacks.running.sweep import counts_queries, parts_of
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.sent import Sent
from perceptbench.bench.request import EIGHT_BIT, Held, Request
from perceptbench.certifiers.base import Certifier
from perceptbench.core.spec import RunSpec
from perceptbench.core.threat import Move, Threat
from perceptbench.metrics.base import Metric
from perceptbench.results.record import OF_QUERIES, written_columns
from perceptbench.tasks.base import Aim, Sample, Source, State, Task


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, ready to start: its spec and the components the spec names."""

    spec: RunSpec
    task: Task[Any]
    threat: ThreatSet
    metric: Metric
    source: Source
    """The samples that are answered."""
    data: Source
    """All samples: the task may fit what it needs on those that are not answered."""
    kept: Sequence[Sample]
    """Samples that the threat is fitted on, and that are not answered; none for most threats."""
    attack: Attack | Ensemble | None
    certifier: Certifier | None
    request: Request
    """The part of the request that leads to this run alone."""
    gradient: bool = True
    """Whether the metric gives a gradient. Where it gives none, `attack` has only parts that need none."""
    left_out: tuple[str, ...] = ()
    """Names of the parts of the attack that do not run, for want of a gradient."""
    followed: tuple[Metric, ...] = ()
    """The metrics whose goals the attack climbs in place of that of `metric` (attacks/followed.py)."""

    @property
    def attack_name(self) -> str:
        """The name of the attack without its arguments; '' where there is none."""
        ref = self.spec.attack
        return "" if ref is None else f"{ref.name}:{ref.target}" if ref.target else ref.name

    @property
    def from_outside(self) -> bool:
        """Whether the metric is somebody's own: from a file, or made in this process."""
        return self.spec.metric.name == "py" or any(
            isinstance(one, Held) and not one.registered for one in self.request.metrics
        )

    @property
    def sent(self) -> bool:
        """Whether an image is sent through a channel, and what arrives is judged."""
        return isinstance(self.threat, Sent)

    @property
    def sound(self) -> bool | None:
        """Whether the certificates of this run bind the metric itself; None where there are none."""
        return None if self.certifier is None else self.certifier.sound(self.metric)

    @property
    def move(self) -> Move:
        """Which images may move."""
        return cast(Move, self.spec.move)

    @property
    def certified(self) -> Threat:
        """The threat of a certificate of this run: which images move, in the norm that covers the set of changes."""
        spec = self.spec
        return Threat(self.move, spec.norm or "l2", spec.eps_left, spec.eps_right, spec.quantize == EIGHT_BIT)

    @property
    def aim(self) -> Aim:
        """What the attacker wants."""
        embeds = isinstance(self.attack, Attack) and self.attack.by_embedding
        return Aim(self.spec.goal, self.move, embeds, self.literal)

    @property
    def surrogate(self) -> Metric | None:
        """The metric whose gradient attacks follow, where that of the run has none."""
        return None if self.metric.differentiable else self.metric.surrogate()

    @property
    def parts(self) -> Sequence[tuple[str, Attack, int]]:
        """(name, attack, number of starts) of what runs; empty without an attack."""
        return parts_of(self.attack, self.attack_name, self.spec.restarts) if self.attack else ()

    def told(self, state: State) -> "Plan":
        """The plan once it is known which signs of masking were seen: an adaptive attack has the parts for these."""
        if not isinstance(self.attack, Adaptive) or SIGNS not in state:
            return self
        seen = str(state[SIGNS]).split()
        situation = replace(self.attack.situation, masked=MASKED in seen, random=RANDOM in seen)
        return replace(self, attack=self.attack.on(situation))

    @property
    def columns(self) -> dict[str, str]:
        """The columns of samples.parquet with their dtypes."""
        own = self.attack if not self.followed and not self.kept else None
        watched = own is not None and counts_queries(own, self.threat)
        return written_columns(self.task.columns) | (OF_QUERIES if watched else {})

    @property
    def literal(self) -> bool:
        """Whether the image that an attack returns is the result even where an earlier one was better."""
        return isinstance(self.attack, Attack) and self.attack.literal
