"""run(plan) -> Record: batches, shards on disk, progress; a killed run goes on where it stopped."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.progress import Progress, TaskID
from safetensors.torch import save_file

from perceptbench.bench.evaluate import evaluate
from perceptbench.bench.pictures import Pictures
from perceptbench.bench.plan import Plan, arguments_of
from perceptbench.bench.provenance import provenance
from perceptbench.core.errors import UnsoundError
from perceptbench.core.files import write_atomically
from perceptbench.core.memory import release_free_memory
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.results.record import Record
from perceptbench.results.store import RunStore
from perceptbench.triplets.base import Entry

AUTO_BATCH = {"cpu": 8, "cuda": 32}


def run(
    plan: Plan,
    store: RunStore,
    *,
    device: str,
    batch_size: int | None,
    images: int = 0,
    progress: Progress,
    task: TaskID,
) -> Record:
    """Answer from the store, or compute what is missing and store it; keep the images of the first triplets.

    Where a triplet was finished before its images were asked for, it alone is attacked again, for
    the images; the stored numbers stay as they are.

    Raises UnsoundError, with the counter-example kept in the run's folder, when a flip lies inside
    a radius that was called sound; then no record is written.
    """
    progress.update(task, total=len(plan.source), description=_describe(plan))
    pictures = Pictures(plan, store.root / plan.spec.id, images)
    size = batch_size or AUTO_BATCH[device]
    record = store.get(plan.spec.id)
    if record is None:
        record = _compute(plan, store, pictures, device=device, batch_size=size, progress=progress, task=task)
    else:
        progress.update(task, completed=len(plan.source), description=f"{_describe(plan)} (from the store)")
    if missing := pictures.missing():
        progress.update(task, completed=0, total=len(missing), description=f"{_describe(plan)} (images)")
        for entries in _chunks(missing, size):
            evaluate(plan, plan.source.batch(entries).to(device), [e.group for e in entries], pictures.watch)
            progress.advance(task, len(entries))
    return record


def _compute(
    plan: Plan, store: RunStore, pictures: Pictures, *, device: str, batch_size: int, progress: Progress, task: TaskID
) -> Record:
    spec = plan.spec
    started = time.monotonic()
    with store.writer(spec.id) as writer:
        done = writer.done
        finished = set(done["id"]) if len(done) else set()
        progress.update(task, completed=len(finished))
        left = [entry for entry in plan.source.entries if entry.id not in finished]
        frames = [done] if len(done) else []
        for entries in _chunks(left, batch_size):
            batch = plan.source.batch(entries).to(device)
            try:
                frame = evaluate(plan, batch, [entry.group for entry in entries], pictures.watch)
            except UnsoundError as error:
                _keep_counterexample(store.root / spec.id, error)
                raise
            writer.add(frame)
            frames.append(frame)
            release_free_memory()
            progress.advance(task, len(entries))
        samples = _in_order(pd.concat(frames, ignore_index=True), plan)
        record = Record(
            run=spec.id,
            spec=spec.to_dict(),
            provenance=provenance(device, spec.seed),
            samples=samples,
            facts=_facts(plan, samples, len(finished), time.monotonic() - started),
        )
        writer.finish(record)
    return record


def _describe(plan: Plan) -> str:
    method = plan.spec.attack or plan.spec.certifier or "natural"
    return f"{plan.spec.metric} · {plan.spec.data.name} · {method}"


def _chunks(entries: Sequence[Entry], size: int) -> list[Sequence[Entry]]:
    return [entries[i : i + size] for i in range(0, len(entries), size)]


def _in_order(samples: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """By eps, then as the data set lists its triplets: the same file however it was computed."""
    position = {name: i for i, name in enumerate(plan.source.ids)}
    samples = samples.assign(_at=samples["id"].map(position)).sort_values(["eps", "_at"])
    return samples.drop(columns="_at").reset_index(drop=True)


def _facts(plan: Plan, samples: pd.DataFrame, resumed: int, seconds: float) -> dict[str, object]:
    last = samples[samples["eps"] == samples["eps"].max()]
    return {
        "unit": "percent" if plan.spec.goal == "flip" else "distance",
        "answers": plan.source.answers,
        "cosine": isinstance(plan.metric, EmbeddingMetric) and type(plan.metric).compare is EmbeddingMetric.compare,
        "parts": [{"part": name, "starts": starts, **arguments_of(member)} for name, member, starts in plan.parts],
        "minimal": bool(plan.parts) and all(member.minimal for _, member, _ in plan.parts),
        "sound": plan.sound,
        "confidence": plan.certifier.confidence if plan.certifier else None,
        "promise": plan.certifier.promise(plan.metric) if plan.certifier else "",
        "n": len(plan.source),
        "ties": plan.source.ties,
        "note": plan.source.note,
        "references": repeated_references(plan.source.entries),
        "resumed": resumed,
        "seconds": round(seconds, 2),
        "forwards": float(last["forwards"].sum()),
        "backwards": float(last["backwards"].sum()),
        "min_norm_ref": float(last["norm_ref"].min()) if last["norm_ref"].notna().any() else None,
    }


def repeated_references(entries: Sequence[Entry]) -> dict[str, str]:
    """The reference image by the id of the triplet, where it stands in more than one: intervals draw it whole."""
    count = Counter(entry.reference for entry in entries)
    return {entry.id: entry.reference for entry in entries if entry.reference and count[entry.reference] > 1}


def _keep_counterexample(folder: Path, error: UnsoundError) -> None:
    write_atomically(folder / "counterexample.safetensors", lambda part: save_file(error.tensors, part))
