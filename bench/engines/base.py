"""The seam between a run and the place where it is computed.

An *engine* computes chunks of a job, in any order. The store, resume and progress are in bench/runner.py and know
nothing of where a chunk was computed. Three uses:

    run x local                     in this process, one chunk after the other
    missing images x local          chunks of samples whose images were asked for later
    Job.read(job.text) x any        a worker elsewhere: it plans again and refuses another run id
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

import pandas as pd

from perceptbench.bench.flags.search_counts import SearchCounts
from perceptbench.bench.plan import Plan
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.core.errors import UnsoundError, UserError
from perceptbench.core.registry import Registry
from perceptbench.core.spec import canonical_json
from perceptbench.results.saved_images import SavedTriplet
from perceptbench.tasks.base import State

Chunk: TypeAlias = Sequence[str]
"""Ids of the samples that are computed together."""


@dataclass(frozen=True)
class Job:
    """One run to be computed.

    Args:
        plan: as this process has made it.
        state: what the task computed on clean data.
        images: the number of first samples whose attacked images are wanted too.
    """

    plan: Plan
    state: State
    images: int = 0

    @property
    def text(self) -> str:
        """All that a worker elsewhere needs, as JSON. Raises UserError for objects that exist only in this process."""
        request = self.plan.request
        if held := [one.name for one in (*request.metrics, *request.data) if isinstance(one, Held)]:
            raise UserError(f"{', '.join(held)} exist only in this process; use the engine local")
        return canonical_json(
            {
                "request": asdict(request), "run": self.plan.spec.id, "state": dict(self.state), "images": self.images
            }
        )  # fmt: skip

    @classmethod
    def read(cls, text: str) -> "Job":
        """Plan the run again from its text. Raises UserError for another run id: other weights, data or code."""
        given = json.loads(text)
        request = given["request"]
        (plan,) = make_plans(Request(**(request | {"eps": tuple(request["eps"])})))
        if plan.spec.id != given["run"]:
            raise UserError(
                f"expected the run {given['run']}, and with the weights, data and code here it is {plan.spec.id}; "
                "use the same ones everywhere"
            )
        return cls(plan, given["state"], given["images"])


@dataclass(frozen=True)
class Done:
    """A computed chunk: its rows, images and counts by sample, or the counter-example that stops the run."""

    ids: Chunk
    frame: pd.DataFrame | None = None
    images: tuple[tuple[int, SavedTriplet], ...] = ()
    unsound: UnsoundError | None = None
    search: Mapping[str, SearchCounts] = field(default_factory=dict)


@runtime_checkable
class Engine(Protocol):
    """Computes chunks of a job."""

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Done]:
        """Each chunk at least once, in any order. Raises what goes wrong in one, with a note that names its samples."""
        ...


engine: Registry[Engine] = Registry("engine", "perceptbench.bench.engines", of=Engine)
