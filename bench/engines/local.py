"""Chunks one after the other, in this process."""

import ctypes
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from perceptbench.attacks.running.judge import Outcome
from perceptbench.bench.engines.base import Chunk, Done, Job, engine
from perceptbench.bench.evaluate import evaluate
from perceptbench.bench.flags.search_counts import SearchWatch
from perceptbench.bench.pictures import Pictures
from perceptbench.bench.plan import Plan
from perceptbench.bench.whole_image import say_what_covers_everything, sizes_of
from perceptbench.core.errors import UnsoundError, UserError
from perceptbench.core.others import contained
from perceptbench.tasks.base import Batch, Sample


@engine("local", source="this process")
@dataclass(frozen=True)
class Local:
    """Chunks one after the other, in this process."""

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Done]:
        entries = {entry.id: entry for entry in job.plan.source.entries}
        pictures = Pictures(job.plan, job.state, job.images)
        for chunk in chunks:
            yield _computed(job, pictures, [entries[name] for name in chunk])
            _release_free_memory()


def _computed(job: Job, pictures: Pictures, entries: Sequence[Sample]) -> Done:
    plan, ids, search = job.plan, [entry.id for entry in entries], SearchWatch()

    def watch(batch: Any, outcome: Outcome) -> None:
        pictures.watch(batch, outcome)
        search.watch(batch, outcome)

    try:
        with contained():
            batch = _batch(plan, entries).to(plan.request.where)
            for height, width in sizes_of(batch):
                say_what_covers_everything(plan.spec, height, width)
            frame = evaluate(plan, batch, [entry.group for entry in entries], job.state, watch)
    except UnsoundError as error:
        return Done(ids, unsound=error)
    except Exception as error:
        error.add_note(f"raised in the samples {', '.join(ids)} of the metric {plan.spec.metric.shown}")
        raise
    return Done(ids, frame, pictures.taken(), search=search.taken())


def _batch(plan: Plan, entries: Sequence[Sample]) -> Batch:
    """The images of some samples. Raises UserError for data that give others than were asked for."""
    batch = plan.source.batch(entries)
    if not isinstance(batch, Batch) or list(batch.ids) != [entry.id for entry in entries]:
        got = ", ".join(map(str, batch.ids)) if isinstance(batch, Batch) else type(batch).__name__
        raise UserError(f"--data {plan.spec.data}: expected a batch of the samples that were asked for, got {got}")
    return batch


def _release_free_memory() -> None:
    """Give free memory back to the system.

    Tensors of changing sizes leave holes in the heap of glibc, about a megabyte for each triplet, and a long run would
    grow by them. It takes some milliseconds.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim():  # type: ignore[no-untyped-def]
    """The function of glibc; None where there is none (macOS, musl)."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
