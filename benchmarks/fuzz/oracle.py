"""What is a failure: anything but an answer or a refusal in one sentence, within limits of time and memory."""

import os
import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perceptbench.core.errors import UserError, sentence

SECONDS = 60.0
"""Of one case; a busy machine is slow, and what hangs hangs for longer."""
MEMORY = 2**30
"""Address space in bytes that one case may take beyond what the process has."""


class WrongError(Exception):
    """An answer that is not the right one, or a refusal that is no sentence."""


class _TooLong(BaseException):
    """The alarm of a case. No exception of Python's, so that no reader takes it for a damaged file."""


@dataclass(frozen=True, slots=True)
class CaseFailure:
    """What went wrong in a case: `kind` is the same for cases of one cause, `told` is for people."""

    kind: str
    told: str


def judged(judge: Callable[[bytes, Path], None], case: bytes, folder: Path) -> CaseFailure | None:
    """None where the case is answered rightly or refused in one sentence."""
    try:
        with _limited(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            judge(case, folder)
    except UserError as error:
        said = sentence(error)
        good = len(said) > 10 and "\n" not in said.strip() and "Traceback" not in said
        return None if good else CaseFailure(f"sentence of {type(error).__name__} in {_place(error)}", repr(said[:300]))
    except _TooLong as error:
        return CaseFailure(f"hang in {_place(error)}", f"longer than {SECONDS:g} s")
    except MemoryError as error:
        return CaseFailure(f"memory in {_place(error)}", f"more than {MEMORY / 2**20:g} MiB")
    except WrongError as error:
        return CaseFailure(f"wrong: {error.args[0]}", str(error))
    except Exception as error:
        told = " ".join(str(error).split())
        return CaseFailure(f"{type(error).__name__} in {_place(error)}", f"{type(error).__name__}: {told[:300]}")
    return None


@contextmanager
def _limited() -> Iterator[None]:
    """An alarm, and no more address space than allowed."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MEMORY, before[1]))
    old = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _ring(*_: Any) -> None:
    raise _TooLong


def _place(error: BaseException) -> str:
    """The innermost place of ours that was on the way: file and function."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "benchmarks" not in frame.filename and "site-packages" not in frame.filename]
    frame = next((one for one in reversed(ours) if "lib/python" not in one.filename), None)
    return "the judge" if frame is None else f"{Path(frame.filename).stem}.{frame.name}"
