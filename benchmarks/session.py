"""What every item of the benchmark needs to know, and where it leaves its rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from benchmarks.machine import wait
from benchmarks.measurements import BenchRow, line
from benchmarks.subjects import subject
from benchmarks.upstream_autoattack import Numbers
from benchmarks.work import Work, make

EPS = 2.0
SWEEP = (0.5, 1.0, 2.0, 3.0)


@dataclass
class Session:
    """One run of the benchmark.

    Args:
        quick: the smallest sizes, to see that it runs.
        until: `time.monotonic()` after which no further repetition is begun.
        peak: TFLOP/s the device could do at best, 0 where nobody said.
    """

    device: str
    quick: bool
    until: float
    peak: float = 0.0
    rows: list[BenchRow] = field(default_factory=list)

    def add(self, row: BenchRow) -> None:
        """Keep a row and show it."""
        self.rows.append(row)
        print(line(row.to_dict()), flush=True)

    def work(self, name: str, batch: int, nearest: int | None = None) -> Work:
        """`batch` triplets for one of the subjects."""
        return _work(name, 2 if self.quick else batch, self.device, None if self.quick else nearest)

    def numbers(self, share: float = 1.0) -> Numbers:
        """Of l2-aa; a share of all of them where the whole would take too long."""
        share = 0.02 if self.quick else share
        return Numbers(3, *(max(int(share * n), 2) for n in (100, 100, 500)))

    def in_time(self, seconds: float) -> bool:
        """Whether something that takes so long may still begin."""
        return time.monotonic() + seconds <= self.until


_work = cache(lambda name, batch, device, nearest: make(subject(name, device), batch, device, nearest))


def clock(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    wait()
    started = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - started
