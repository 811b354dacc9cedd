"""The campaign: grounds in a drawn order, certified triplets on each, every suitable attack on them."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from benchmarks.soundness.assaults import INSIDE, Ground, few, suitable
from benchmarks.soundness.equal_radius import at_one_radius
from benchmarks.soundness.instances import instances, triplets
from perceptbench.certifiers.base import Certifier, certifier
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Norm, Ref
from perceptbench.core.threat import MOVES, Move, Threat
from perceptbench.metrics.base import LipschitzMetric
from perceptbench.testing.attack_setting import small_attack

BATCH = 128
FEWER = 32
"""Triplets of a batch where all three images move: those certificates take longest."""
TOGETHER = 4
"""Attacks that share a batch of triplets."""
NETWORKS = 97
"""Different random networks of each shape."""
SIDES = (0.02, 0.03)
"""Budgets of left and right in l2 where each image has its own; small beside the radii at hand."""
NORMS: tuple[Norm, ...] = ("l2", "linf")
VARIANTS = ("margin(exact=false)",)
"""Certifiers beside those of the registry as they stand."""


@dataclass(frozen=True, slots=True)
class ProofCase:
    """A ground by the names of its parts. `separate`: each of the three images has a budget of its own."""

    metric: str
    certifier: str
    move: Move
    norm: Norm
    separate: bool = False


@dataclass(frozen=True, slots=True)
class Assault:
    """Some attacks on one batch of triplets."""

    setting: ProofCase
    attacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BrokenRadius:
    """Answers that were flipped inside their radius. The seed makes the same batch again."""

    setting: ProofCase
    attack: str
    flipped: int
    seed: int

    def __str__(self) -> str:
        setting = self.setting
        where = f"{setting.certifier} for {setting.metric}, {setting.move} moving in {setting.norm}"
        return f"{self.attack} flips {self.flipped} answers inside the radius of {where} (seed {self.seed})"


@dataclass
class PairCount:
    """What was tried so far: pairs of a certified triplet and an attack, by metric."""

    by_metric: dict[str, int] = field(default_factory=dict)
    violations: list[BrokenRadius] = field(default_factory=list)

    @property
    def pairs(self) -> int:
        """All pairs."""
        return sum(self.by_metric.values())

    @property
    def flipped(self) -> int:
        """Violated pairs."""
        return sum(one.flipped for one in self.violations)

    def count(self, metric: str, pairs: int) -> None:
        """Pairs that were tried."""
        self.by_metric[metric] = self.by_metric.get(metric, 0) + pairs


def sound_certifiers(metric: LipschitzMetric) -> Mapping[str, Certifier]:
    """Those that promise something of this metric itself, by name; a plug-in's too."""
    found = {}
    for name in (*certifier.names(), *VARIANTS):
        made = certifier.build(Ref.parse(name))
        try:
            if made.sound(metric):
                found[name] = made
        except UserError:
            continue  # it knows nothing of such metrics, and says so
    return found


def settings() -> Iterator[ProofCase]:
    """Every metric with every sound certifier, whoever moves, in both norms."""
    for name, make in instances().items():
        metric = make(0)
        for proof, made in sound_certifiers(metric).items():
            for move in MOVES:
                # The variants differ only where all three images move.
                if not _admits(made, move) or (proof in VARIANTS and move != "all"):
                    continue
                yield from (ProofCase(name, proof, move, norm) for norm in NORMS)
                if move == "all":
                    yield ProofCase(name, proof, move, "l2", separate=True)


def assaults(found: Sequence[ProofCase], draw: random.Random) -> list[Assault]:
    """Every setting with every attack, in a drawn order: a short campaign is a fair sample of a long one."""
    every = []
    for setting in found:
        names = [name for name in suitable(setting.norm) if _takes(setting, name)]
        draw.shuffle(names)
        every += [Assault(setting, tuple(names[i : i + TOGETHER])) for i in range(0, len(names), TOGETHER)]
    draw.shuffle(every)
    return every


def campaign(pairs: int, seed: int, *, seconds: float = float("inf"), only: Sequence[ProofCase] = ()) -> PairCount:
    """Attack until so many pairs were tried, or so many seconds are over.

    Args:
        only: the settings to try; all where none are given.

    Raises UserError where no triplet has a certificate, so that there is nothing to attack.
    """
    draw, tally, until = random.Random(seed), PairCount(), time.monotonic() + seconds
    while tally.pairs < pairs:
        before = tally.pairs
        for assault in assaults(only or list(settings()), draw):
            if tally.pairs >= pairs or time.monotonic() >= until:
                return tally
            attacked(assault, draw.randrange(2**31), tally)
        if tally.pairs == before:
            raise UserError("expected certified triplets to attack, got none at all; look at the certifiers first")
    return tally


def attacked(assault: Assault, seed: int, tally: PairCount) -> None:
    """Count some attacks on one batch of certified triplets."""
    setting = assault.setting
    metric = instances()[setting.metric](seed % NETWORKS)
    sides = SIDES if setting.separate else None
    ground = Ground(metric, certifier.build(Ref.parse(setting.certifier)), setting.move, setting.norm, sides)
    n = FEWER if setting.move == "all" else BATCH
    batch, radius = at_one_radius(triplets(metric, n, seed), ground.radii)
    for name in assault.attacks if batch.ids else ():
        chosen = few(batch, name)
        flipped = ground.flipped(name, small_attack(name), chosen, INSIDE * radius, seed)
        tally.count(setting.metric, len(chosen.ids))
        if flipped.any():
            tally.violations.append(BrokenRadius(setting, name, int(torch.count_nonzero(flipped)), seed))


def _admits(made: Certifier, move: Move) -> bool:
    try:
        made.admit(Threat(move))
    except UserError:
        return False
    return True


def _takes(setting: ProofCase, name: str) -> bool:
    """The bridges to other libraries move one image alone."""
    return ":" not in name or setting.move == "reference"
