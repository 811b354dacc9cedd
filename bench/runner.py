"""Computes plans: gives chunks to an engine and stores rows as they come. A killed run resumes where it stopped."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from rich.progress import Progress, TaskID
from safetensors.torch import save as safetensors_bytes

from perceptbench.bench.engines.base import Chunk, Done, Engine, Job
from perceptbench.bench.engines.base import engine as engines
from perceptbench.bench.flags.of_run import RunFlags
from perceptbench.bench.flags.search_counts import KeptCounts
from perceptbench.bench.kept_state import KeptState
from perceptbench.bench.pictures import missing
from perceptbench.bench.plan import Plan
from perceptbench.bench.probe import difference
from perceptbench.bench.progress import samples_progress
from perceptbench.bench.provenance import provenance
from perceptbench.bench.run_facts import run_facts
from perceptbench.core.errors import UnsoundError, UserError, noted, warn
from perceptbench.core.files import write_atomically
from perceptbench.core.others import contained
from perceptbench.core.printable import printable
from perceptbench.core.ref import Ref
from perceptbench.results.reading import DamagedError
from perceptbench.results.record import Record
from perceptbench.results.saved_images import save, seal_images
from perceptbench.results.store import Store
from perceptbench.tasks.base import Sample

AUTO_BATCH = {"cpu": 8, "cuda": 32}


def run_plans(
    plans: Sequence[Plan],
    store: Store,
    batch_size: int | None = None,
    images: int = 0,
    *,
    engine: Engine | None = None,
    bars: Progress | None = None,
) -> list[Record]:
    """The records of some plans, in order.

    Args:
        store: where runs are kept and answered from.
        batch_size: samples at once; None for what suits the device. It changes no result.
        images: of so many samples a run the images are kept.
        engine: where chunks are computed; None for this process.
        bars: what shows how far they are; None for nothing.
    """
    made = engine or engines.build(Ref("local"))
    records = []
    with bars or samples_progress(show=False) as progress:
        for plan in plans:
            task = progress.add_task(plan.spec.metric.shown, total=len(plan.source))
            record = run(plan, store, engine=made, batch_size=batch_size, images=images, progress=progress, task=task)
            records.append(record)
    return records


def run(
    plan: Plan,
    store: Store,
    *,
    engine: Engine,
    batch_size: int | None,
    images: int = 0,
    progress: Progress,
    task: TaskID,
) -> Record:
    """The record of one run: from the store, or computed and stored. Keeps the images of the first samples.

    A sample that was finished before its images were asked for is attacked again for the images alone; its stored
    numbers stay as they are.

    Raises UnsoundError where an attack succeeds inside a radius that was called sound. Then the counter-example is
    written into the folder of the run, and no record is.
    """
    progress.update(task, total=len(plan.source), description=_describe(plan))
    folder, size = store.folder(plan.spec.id), batch_size or AUTO_BATCH[plan.request.where]
    if images and folder is None:
        raise UserError("--save-images wants a folder to keep them in; say where runs are kept: runs='runs'")
    record = _stored(plan, store, own=images > 0)
    if record is None:
        record = _compute(plan, store, engine, images=images, batch_size=size, progress=progress, task=task)
    else:
        progress.update(task, completed=len(plan.source), description=f"{_describe(plan)} (from the store)")
    if folder is not None and (absent := missing(plan, folder, images)):
        progress.update(task, completed=0, total=len(absent), description=f"{_describe(plan)} (images)")
        job = Job(plan, record.facts.get("state", {}), images)
        for done in engine.map(job, _chunks(absent, size)):
            _keep_images(folder, done)
            progress.advance(task, len(done.ids))
    return record


def _stored(plan: Plan, store: Store, *, own: bool) -> Record | None:
    """The run as it is stored, or a stored run of the same question whose list of eps holds those of this one.

    Some of its samples are computed again. A run whose answers are no longer today's is set aside, with a sentence.
    With `own`, only the very run will do: images that are kept belong to its list of eps.
    """
    try:
        record = store.get(plan.spec.id)
    except DamagedError as error:
        _set_aside(plan, store, plan.spec.id, f"{error}")
        record = None
    if record is None and not own:
        record = store.covering(plan.spec.to_dict())
    if record is None:
        return None
    if differs := difference(plan, record.samples, record.facts.get("state", {})):
        _set_aside(plan, store, record.run, differs)
        return _stored(plan, store, own=own)
    return record


def _set_aside(plan: Plan, store: Store, run_id: str, why: str) -> None:
    place = store.set_aside(run_id)
    kept = f", and the old one is kept as {place}" if place else ""
    warn(f"the stored run {run_id} of {plan.spec.metric.shown} is not answered from: {why}; it is computed anew{kept}")


def _compute(
    plan: Plan, store: Store, engine: Engine, *, images: int, batch_size: int, progress: Progress, task: TaskID
) -> Record:
    spec, folder = plan.spec, store.folder(plan.spec.id)
    started = time.monotonic()
    with store.writer(spec.id, plan.columns) as writer:
        kept = KeptState(folder)
        state = kept.fitted(plan)
        if differs := difference(plan, writer.done, state):
            warn(f"what a stopped run {spec.id} of {spec.metric.shown} left behind is not used: {differs}")
            writer.discard()
            KeptCounts(folder).drop()
            kept.drop()
            state = kept.fitted(plan)
        first = plan.source.entries[0].id
        with noted(f"raised by the metric {spec.metric.shown} in the first samples, from {first} on"), contained():
            flags = RunFlags.of(plan, state)
        state = kept.told(plan, state, flags.signs)
        plan = plan.told(state)
        counts = KeptCounts(folder)
        finished = set(writer.done["id"])
        resumed = len(finished)
        progress.update(task, completed=len(finished))
        frames = [writer.done] if finished else []
        left = [entry for entry in plan.source.entries if entry.id not in finished]
        for done in engine.map(Job(plan, state, images), _chunks(left, batch_size)):
            if done.unsound is not None:
                _keep_counterexample(folder, done.unsound)
                raise done.unsound
            _keep_images(folder, done)
            counts.add(done.search)
            # A chunk may come more than once; what is on disk counts.
            new = _new_samples(done, finished)
            if len(new):
                writer.add(new)
                frames.append(new)
            finished |= set(done.ids)
            progress.advance(task, new["id"].nunique())
        _check_complete(plan, finished)
        samples = _in_order(pd.concat(frames, ignore_index=True), plan)
        record = Record(
            run=spec.id,
            spec=spec.to_dict(),
            provenance=provenance(plan.request.where, spec.seed),
            samples=samples,
            facts=run_facts(plan, state, samples, resumed, time.monotonic() - started),
            folder=folder,
        )
        record = flags.after(plan, record, list(counts.found.values()))
        writer.finish(record)
        counts.drop()
        kept.drop()
    return record


def _new_samples(done: Done, finished: set[str]) -> pd.DataFrame:
    """The rows of the samples that were not there yet. Raises ValueError for a chunk without rows for its samples."""
    if done.frame is None or set(done.frame["id"]) != set(done.ids):
        raise ValueError(f"the engine gave no rows, or rows of other samples, for {', '.join(done.ids)}")
    return done.frame[~done.frame["id"].isin(finished)]


def _check_complete(plan: Plan, finished: set[str]) -> None:
    """Raises UserError where the engine left samples out: a score of some of them is not the score of all."""
    if left := [entry.id for entry in plan.source.entries if entry.id not in finished]:
        raise UserError(
            f"the engine left out {len(left)} of {len(plan.source)} samples, {left[0]!r} among them; run again"
        )


def _keep_images(folder: Path | None, done: Done) -> None:
    if folder is not None:
        seal_images(folder, [save(folder, number, triplet) for number, triplet in done.images])


def _keep_counterexample(folder: Path | None, found: UnsoundError) -> None:
    if folder is not None:
        content = safetensors_bytes(found.tensors)
        write_atomically(folder / "counterexample.safetensors", partial(Path.write_bytes, data=content))


def _describe(plan: Plan) -> str:
    method = plan.spec.attack or plan.spec.certifier or "natural"
    return printable(f"{plan.spec.metric.shown} · {plan.spec.data.name} · {method}")


def _chunks(entries: Sequence[Sample], size: int) -> list[Chunk]:
    ids = [entry.id for entry in entries]
    return [ids[i : i + size] for i in range(0, len(ids), size)]


def _in_order(samples: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Sorted by eps, then as in the data set, so that the file does not depend on the order of computation."""
    position = {entry.id: i for i, entry in enumerate(plan.source.entries)}
    samples = samples.assign(_at=samples["id"].map(position)).sort_values(["eps", "_at"])
    return samples.drop(columns="_at").reset_index(drop=True)
