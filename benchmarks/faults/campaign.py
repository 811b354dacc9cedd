"""All cases of all subjects, in processes forked from one that has imported everything."""

import os
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch

from benchmarks.faults.cases import Bed, FaultFailure, cases
from benchmarks.faults.disturbed import ATTACK, SUBJECTS
from benchmarks.faults.shim import FAULTS, Fault
from benchmarks.reliability import Line, keep
from perceptbench.attacks.base import attack
from perceptbench.attacks.threats.base import threat
from perceptbench.bench.api.keywords import request_of
from perceptbench.bench.engines.base import engine
from perceptbench.bench.flags.base import flag
from perceptbench.bench.planner import make_plans
from perceptbench.certifiers.base import certifier
from perceptbench.metrics.base import metric
from perceptbench.reports.base import report
from perceptbench.results.tasks.base import scores
from perceptbench.tasks.base import task
from perceptbench.triplets.base import triplets

CAMPAIGN = "faults"
LAZY = ("bench.commands.run", "bench.commands.finished", "bench.commands.report", "bench.api.runs", "reports.write",
        "reports.formats.png_pdf")  # fmt: skip
"""Modules that commands import when they are called."""


def imported() -> None:
    """Import what the commands use and hash the code they run, so that no case does; start no thread."""
    torch.set_num_threads(1)
    for name in LAZY:
        import_module(f"perceptbench.{name}")
    for registry in (attack, threat, engine, flag, certifier, metric, report, scores, task, triplets):
        registry.names()  # type: ignore[attr-defined]
    make_plans(request_of("run", metric=["psnr"], data=["photos"], attack=ATTACK, eps=(1, 2), limit=3, device="cpu"))


def campaign(
    folder: Path,
    *,
    stride: int = 1,
    only: Sequence[str] | None = None,
    faults: tuple[Fault, ...] = FAULTS,
    kept: bool = False,
) -> list[FaultFailure]:
    """What failed. It prints each failure as it is found, and with `kept` writes the figures into the page.

    Caches of this process and those forked from it are put into `folder`, so that they have no part in a case.
    """
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    imported()
    lines, failures = [], []
    for subject in SUBJECTS:
        if only and subject.name not in only:
            continue
        started = time.monotonic()
        bed = Bed(subject, folder / subject.name.replace(" ", "-"))
        found = list(_shown(bed, stride, faults))
        wrong = [one for one in found if one is not None]
        failures += wrong
        what = f"{subject.name}: {bed.calls} calls, memory, two writers"
        lines.append(Line(CAMPAIGN, what, len(found), len(wrong), time.monotonic() - started))
        print(f"{what}: {len(found)} cases, {len(wrong)} failures", flush=True)
    if kept:
        keep(lines)
    return failures


def _shown(bed: Bed, stride: int, faults: tuple[Fault, ...]) -> Sequence[FaultFailure | None]:
    found = []
    for one in cases(bed, stride=stride, faults=faults):
        if one is not None:
            print(one, flush=True)
        found.append(one)
    return found
