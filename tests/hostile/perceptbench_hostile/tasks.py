"""A task that is wrong in the way that its argument says."""

import sys
import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from perceptbench.tasks.base import task
from perceptbench.tasks.preference import Preference
from perceptbench_hostile.scores import HostileScores

CALLS: list[int] = []


@task("hostile-question", source="this example")
@dataclass(frozen=True)
class HostileQuestion(HostileScores, Preference):
    """Preference, spoilt."""

    name: ClassVar[str] = "hostile-question"

    def clean(self, prepared: Any) -> Any:
        clean = super().clean(prepared)
        if self.how == "nothing":
            return None
        if self.how == "numpy":
            return replace(clean, judged=replace(clean.judged, reached=clean.judged.reached.numpy()))
        if self.how == "shape":
            return replace(clean, judged=replace(clean.judged, reached=clean.judged.reached[:1]))
        if self.how == "writes":
            prepared.batch.reference.mul_(0.5)
        if self.how == "prints":
            print("asked")
        if self.how == "hangs":
            time.sleep(10**6)
        if self.how == "draws":
            torch.rand(())
        if self.how == "remembers":
            CALLS.append(1)
            d0 = clean.columns["d0"]
            return replace(clean, columns={**clean.columns, "d0": d0 * len(CALLS)})
        if self.how == "raises":
            raise LookupError("no answer")
        if self.how == "exits":
            sys.exit(0)
        return clean
