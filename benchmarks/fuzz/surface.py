"""What can be fuzzed: a name, how its cases are made, and what must hold of one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz.edits import Bytes


@dataclass(frozen=True)
class Surface:
    """A case is the content of one file; where more is needed, it is JSON that says what is done.

    Args:
        cases: made when asked for, since the files they start from cost time.
        judge: reads a case as the program does, in an empty folder. It raises UserError for a refusal, and anything
            else for a failure.
        share: of all cases, in parts of a hundred.
    """

    name: str
    cases: Callable[[], Bytes]
    judge: Callable[[bytes, Path], None]
    share: int
