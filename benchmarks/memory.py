"""Peak memory of a whole run, over 1,000 triplets beside 100.

Each run is a fresh process, `python -m benchmarks.memory N`, which prints its own peak.
"""

import resource
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import torch

from benchmarks.measurements import BenchRow, ratio
from benchmarks.session import Session
from perceptbench.triplets.base import SIDE, Entry, TripletSource, checked_source, triplets

BAR = 1.05
SMALL, LARGE = 100, 1000


@triplets("generated", source="noise, for the measurement of memory")
def generated(n: int) -> TripletSource:
    """Triplets of noise: a reference, a copy with little more, one with much more."""

    def entry(i: int) -> Entry:
        def load() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            noise = torch.Generator().manual_seed(i)
            reference = torch.rand(3, SIDE, SIDE, generator=noise)
            other = torch.rand(3, SIDE, SIDE, generator=noise)
            return reference, reference.lerp(other, 0.1), reference.lerp(other, 0.2)

        return Entry(f"noise-{i:05d}", 0.0, load)

    return checked_source("generated", [entry(i) for i in range(n)], f"generated {n}")


def measure(session: Session) -> None:
    """`bench run` in a fresh process each, twice in turn."""
    sizes = (8, 24) if session.quick else (SMALL, LARGE)
    peaks: dict[int, list[float]] = {n: [] for n in sizes}
    for _ in range(1 if session.quick else 2):
        for n, found in peaks.items():
            found.append(_peak_of(n))
    few, many = peaks.values()
    session.add(
        BenchRow(
            item="memory", metric="l2", batch=8, what=f"peak memory: {sizes[1]} / {sizes[0]} triplets",
            value=ratio(many, few), raw={f"{n} triplets": found for n, found in peaks.items()}, raw_unit="MiB",
            bar=BAR, sense="<=", note="bench run, l2-aa of one step and two queries",
        )
    )  # fmt: skip


def _peak_of(n: int) -> float:
    command = [sys.executable, "-m", "benchmarks.memory", str(n)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    return float(done.stdout)


def _run(n: int) -> None:
    """What `bench run` does."""
    from perceptbench.bench.commands.finished import run_and_print
    from perceptbench.bench.commands.shared import Execution
    from perceptbench.bench.request import Request

    attack = "l2-aa(starts=1,steps=1,fmn_steps=1,fab_steps=1,queries=2)"
    request = Request(
        metrics=["l2"], data=[f"generated(n={n})"], attacks=[attack], certifiers=["margin"], eps=(1.0, 2.0)
    )
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        run_and_print(request, Execution(runs=Path(folder), batch_size="8", json=True))


def peak() -> float:
    """Of this process so far, in MiB.

    Linux lets `ru_maxrss` start at the peak of the process that started this one, which is the
    benchmark itself and large; VmHWM counts this program alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    _run(int(sys.argv[1]))
    print(peak())
