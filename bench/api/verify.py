"""A finished run, checked against what this machine computes today."""

from pathlib import Path

from perceptbench.bench.api.arguments import path_of
from perceptbench.bench.verify import Verified, verified
from perceptbench.core.device import Device
from perceptbench.core.errors import UserError
from perceptbench.core.files import is_folder
from perceptbench.core.ref import Ref
from perceptbench.core.spec import typed_metric
from perceptbench.metrics.base import metric
from perceptbench.results.record import Record
from perceptbench.results.store import RunStore


def verify(run: Record | str | Path, k: int = 20, *, device: str = "auto") -> Verified:
    """Compute some samples of a finished run again: clean answers and radii, the attack, and saved images.

    Args:
        run: one of `pb.load(...)`, or the folder of a run.
        k: so many samples, others for each run.

    Raises UserError for a folder that is no finished run, and where its metric or its data are missing here.

    Example:
        >>> pb.verify("runs/0123456789ab").refuted
        ()
    """
    if k < 1:
        raise UserError(f"expected k of at least 1, got {k}")
    record = run if isinstance(run, Record) else _read(path_of(run, "run"))
    name = Ref.parse(typed_metric(record.spec)).name
    if not record.spec.get("arguments", {}).get("metric", {}) and name not in metric.names():
        raise UserError(f"{name} exists only in the process that made the run; run it there again by pb.run")
    return verified(record, k, Device(device).resolve())


def _read(folder: Path) -> Record:
    folder = folder.resolve()
    record = RunStore(folder.parent).get(folder.name) if is_folder(folder) else None
    if record is None:
        raise UserError(f"expected the folder of a finished run, as in runs/0123456789ab, got {folder}")
    return record
