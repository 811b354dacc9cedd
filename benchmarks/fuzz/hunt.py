"""Hypothesis over one surface, in a process of its own: cases until the number is reached, failures minimised."""

import base64
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from benchmarks.forked import forked
from benchmarks.fuzz.oracle import CaseFailure, judged
from benchmarks.fuzz.surface import Surface
from benchmarks.fuzz.surfaces import commands, image_files, stored_runs, tables, weight_files
from perceptbench.attacks.base import attack
from perceptbench.attacks.threats.base import threat
from perceptbench.bench.engines.base import engine
from perceptbench.certifiers.base import certifier
from perceptbench.core.errors import UserError
from perceptbench.metrics.base import metric
from perceptbench.tasks.base import task

SURFACES: tuple[Surface, ...] = (
    *image_files.SURFACES, *tables.SURFACES, *stored_runs.SURFACES, *weight_files.SURFACES, *commands.SURFACES
)  # fmt: skip
TOGETHER = 250
"""Cases of one call of Hypothesis; between calls the clock is looked at."""
DEATHS = 5
"""How often a process may die before its surface is given up."""


@dataclass
class Findings:
    """Cases that were tried, and a minimised case for each kind of failure."""

    cases: int = 0
    failing: int = 0
    examples: dict[str, tuple[CaseFailure, bytes]] = field(default_factory=dict)

    def text(self) -> str:
        """As JSON."""
        kept = [[asdict(failure), base64.b64encode(case).decode()] for failure, case in self.examples.values()]
        return json.dumps([self.cases, self.failing, kept])

    def add(self, text: str) -> None:
        """What another process wrote."""
        cases, failing, kept = json.loads(text)
        self.cases, self.failing = self.cases + cases, self.failing + failing
        for failure, case in kept:
            self.examples[failure["kind"]] = (CaseFailure(**failure), base64.b64decode(case))


class _SeenError(Exception):
    """Tells Hypothesis that a case failed."""


def hunt(surface: Surface, cases: int, start: int, folder: Path, *, seconds: float = float("inf")) -> Findings:
    """Try a surface.

    A process that dies of a signal counts as a failure, with the case that it was at, not minimised.

    Args:
        start: seed of the cases.
        folder: for files; emptied for each case.
        seconds: begin nothing after so many.
    """
    found, until = Findings(), time.monotonic() + seconds
    for death in range(DEATHS):
        left, result, current = cases - found.cases, folder / "found.json", folder / "current"
        result.unlink(missing_ok=True)
        if left <= 0 or time.monotonic() >= until:
            break

        def child(left: int = left, first: int = start + 1000 * death) -> None:
            _search(surface, left, first, folder, until)

        ended = forked(child, folder / "said", seconds=3600)
        if result.exists():
            found.add(result.read_text(encoding="ascii"))
        if ended.status == 0:
            break
        told = ended.errors.strip().splitlines()[-1:] or [""]
        failure = CaseFailure(f"the process ended with {ended.status}", told[0][:300])
        found.failing += 1
        found.examples[failure.kind] = (failure, current.read_bytes() if current.exists() else b"")
    return found


def _search(surface: Surface, cases: int, start: int, folder: Path, until: float) -> None:
    """In the child: write what was found after every call of Hypothesis, so that a death loses little."""
    search, strategy = _Search(surface, folder, until), surface.cases()
    for number in range(10 * cases):
        if search.found.cases >= cases or time.monotonic() >= until:
            break
        _call(search, strategy, min(TOGETHER, cases - search.found.cases), start + number)
        (folder / "found.json").write_text(search.found.text(), encoding="ascii")


@dataclass
class _Search:
    """What one child knows. `last` is the newest case of the failure that Hypothesis is minimising."""

    surface: Surface
    folder: Path
    until: float
    found: Findings = field(default_factory=Findings)
    last: tuple[CaseFailure, bytes] | None = None

    def attempt(self, case: bytes) -> None:
        """One case. Raises _SeenError for a failure of a new kind, which Hypothesis then minimises."""
        if time.monotonic() >= self.until:
            return
        failure = one(self.surface, case, self.folder)
        if self.last is None:
            self.found.cases += 1
            self.found.failing += failure is not None
        if failure is None or failure.kind in self.found.examples:
            return
        if failure.kind.startswith(("hang", "memory")):
            # Minimising would pay for each of these again and again.
            self.found.examples[failure.kind] = (failure, case)
        elif self.last is None or failure.kind == self.last[0].kind:
            self.last = (failure, case)
            raise _SeenError(failure.kind)


def _call(search: _Search, strategy: SearchStrategy[bytes], cases: int, number: int) -> None:
    """One call of Hypothesis: it ends with the cases, or with a minimised failure."""
    limits: dict[str, Any] = {
        "max_examples": cases, "database": None, "deadline": None, "suppress_health_check": list(HealthCheck),
        "phases": [Phase.generate, Phase.shrink], "verbosity": Verbosity.quiet, "report_multiple_bugs": False,
    }  # fmt: skip

    @seed(number)
    @settings(**limits)
    @given(strategy)
    def attempt(case: bytes) -> None:
        search.attempt(case)

    try:
        attempt()
    except (_SeenError, Flaky):
        pass  # `last` has the minimised case; a case that fails only now and then, its newest
    finally:
        if search.last is not None:
            search.found.examples[search.last[0].kind] = search.last
        search.last = None


def one(surface: Surface, case: bytes, folder: Path) -> CaseFailure | None:
    """One case in an empty folder."""
    (folder / "current").write_bytes(case)
    place = folder / "a" / "case"
    shutil.rmtree(place.parent, ignore_errors=True)
    place.mkdir(parents=True)
    return judged(surface.judge, case, place)


def named(names: Sequence[str] | None) -> tuple[Surface, ...]:
    """Surfaces by name; all where none is given. Raises UserError for an unknown one."""
    known = {surface.name: surface for surface in SURFACES}
    if unknown := [name for name in names or () if name not in known]:
        raise UserError(f"expected surfaces among {', '.join(known)}, got {unknown[0]!r}")
    return tuple(known[name] for name in names) if names else SURFACES


def imported() -> None:
    """Import what cases use and hash the code that they run, once for the processes of all surfaces."""
    torch.set_num_threads(1)
    for registry in (metric, attack, threat, certifier, task, engine):
        registry.names()
    with TemporaryDirectory() as folder:
        tables.judge_csv(tables.table(tables.ROWS), Path(folder))
        commands.judge_line(json.dumps(commands.RUN).encode(), Path(folder))
