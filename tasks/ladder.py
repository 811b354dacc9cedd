"""The benign ladder: the same question when the reference was edited as people edit pictures, weak to strong."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.core.errors import UserError
from perceptbench.metrics.base import Metric, Representation
from perceptbench.metrics.seen import Seen
from perceptbench.results.tasks.ladder import UNEDITED, LadderScores
from perceptbench.tasks.base import Aim, Clean, Source, State, Task, task
from perceptbench.tasks.compared import Compared
from perceptbench.triplets.base import Entry, Triplets, TripletSource
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.edits.base import Chosen, chosen, edited

RUNGS = (
    "jpeg:95,80,65,50,35,20",
    "resize:75,50,25",
    "crop:2,5,10,20",
    "shift-px:1,2,4,8",
    "rotate:1,2,5,10",
    "gamma:1.2,1.5,2",
    "noise:2,5,10,20",
)
"""What references meet where nobody says it, from weak to strong."""


@task("ladder", source="arXiv:1903.12261 (ImageNet-C) has rungs of this kind for classifiers")
class Ladder(LadderScores, Task[Compared]):
    """The 2AFC question again for each edit and strength, which the reference alone has met; nobody attacks."""

    def admit(self, source: Source) -> None:
        super().admit(source)
        if not isinstance(source, TripletSource):
            raise UserError(f"--task ladder edits triplets of this project's kind, and {source.name} has others")

    def answered(self, source: Source) -> Source:
        """Every triplet as it is and once for each rung, one triplet after the other: so its sides are seen once."""
        if not isinstance(source, TripletSource):
            return source
        rungs = (None, *self.climbed)
        return replace(source, entries=tuple(_on(entry, rung) for entry in source.entries for rung in rungs))

    @property
    def climbed(self) -> list[Chosen]:
        """The rungs in their order. Raises UserError for words that name none."""
        return chosen(self.rungs.split() or RUNGS)

    def prepare(self, metric: Metric, batch: Triplets, aim: Aim, state: State) -> Compared:
        return Compared(metric, batch, aim, SeenOnce(metric, batch.images))

    def clean(self, prepared: Compared) -> Clean:
        return prepared.answers()

    def moving(self, prepared: Compared) -> Tensor:
        return prepared.moving()

    def objective(self, prepared: Compared) -> Objective:
        """For the look at a metric before a run (bench/flags), which asks for a gradient."""
        return FlipPreference(prepared.anchors, prepared.batch.sign)


class SeenOnce(Seen):
    """Images of which neighbours are equal, as left and right are on all rungs of a triplet: one pass for each."""

    @torch.no_grad()
    def _represent(self, name: str) -> Representation:
        x = self.images[name]
        if name not in self._represented and len(x) and not self.metric.stochastic:
            new = torch.tensor([i == 0 or not torch.equal(x[i], x[i - 1]) for i in range(len(x))], device=x.device)
            once, place = self.metric.represent(x[new]), new.cumsum(0) - 1
            parts = once if isinstance(once, tuple) else (once,)
            whole = tuple(part[place] for part in parts)
            self._represented[name] = whole if isinstance(once, tuple) else whole[0]
        return super()._represent(name)


def _on(entry: Entry, rung: Chosen | None) -> Entry:
    """A triplet on a rung. Intervals draw references, so all rungs of one count as one reference."""
    name, reference = str(rung) if rung else UNEDITED, entry.reference or entry.id
    load = partial(_edited, entry, rung) if rung else entry.load
    return replace(entry, id=f"{entry.id} {name}", group=name, reference=reference, load=load)


@lru_cache(maxsize=2)
def _loaded(load: Callable[[], tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """The images of a triplet, which its rungs ask for one after the other."""
    return load()


def _edited(entry: Entry, rung: Chosen) -> tuple[Tensor, Tensor, Tensor]:
    """What varies between triplets, such as a direction, is drawn by the triplet and the edit, not by the strength."""
    reference, left, right = _loaded(entry.load)
    pixels = (reference * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    draws = NamedDraws(f"ladder {entry.id} {rung.name}")
    changed = edited(np.ascontiguousarray(pixels), rung.name, rung.strength, draws)
    return torch.from_numpy(changed.copy()).permute(2, 0, 1).contiguous().to(reference) / 255, left, right
