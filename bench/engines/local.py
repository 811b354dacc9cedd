"""Chunks one after the other, in this process."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from perceptbench.bench.engines.base import Chunk, Done, Job, engine
from perceptbench.bench.evaluate import evaluate
from perceptbench.bench.pictures import Pictures
from perceptbench.core.errors import UnsoundError
from perceptbench.core.memory import release_free_memory
from perceptbench.tasks.base import Sample


@engine("local", source="this process")
@dataclass(frozen=True)
class Local:
    """Chunks one after the other, in this process."""

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Done]:
        entries = {entry.id: entry for entry in job.plan.source.entries}
        pictures = Pictures(job.plan, job.images)
        for chunk in chunks:
            yield _computed(job, pictures, [entries[name] for name in chunk])
            release_free_memory()


def _computed(job: Job, pictures: Pictures, entries: Sequence[Sample]) -> Done:
    plan, ids = job.plan, [entry.id for entry in entries]
    try:
        batch = plan.source.batch(entries).to(plan.request.where)
        frame = evaluate(plan, batch, [entry.group for entry in entries], job.state, pictures.watch)
    except UnsoundError as error:
        return Done(ids, unsound=error)
    except Exception as error:
        error.add_note(f"raised in the samples {', '.join(ids)}")
        raise
    return Done(ids, frame, pictures.taken())
