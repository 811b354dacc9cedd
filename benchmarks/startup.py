"""CPU seconds until the command line answers, beside those of an interpreter that does nothing."""

import resource
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.measurements import BenchRow, ratio
from benchmarks.session import Session

BAR = 40.0
"""About half a second where an interpreter that does nothing takes 12 ms."""
WORDS = {
    "import perceptbench": ("-c", "import perceptbench"),
    "bench --help": ("-m", "perceptbench", "--help"),
    "bench --version": ("-m", "perceptbench", "--version"),
    "a typo of a command": ("-m", "perceptbench", "rnu"),
    "a typo of an option": ("-m", "perceptbench", "run", "--atack", "l2-pgd"),
}


def measure(session: Session) -> None:
    """Each in processes of its own, in turn with the interpreter alone."""
    for what, words in WORDS.items():
        ours, bare = [], []
        for _ in range(2 if session.quick else 9):
            ours.append(_seconds(words))
            bare.append(_seconds(("-c", "pass")))
        session.add(
            BenchRow(
                item="startup", metric="", what=f"CPU time: {what} / python -c pass", value=ratio(ours, bare),
                raw={what: ours, "python -c pass": bare}, bar=BAR, sense="<=",
            )
        )  # fmt: skip


def _seconds(words: Sequence[str]) -> float:
    """User and system time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
