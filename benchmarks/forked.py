"""One call in a forked process, so that a case costs no imports; what it said, and how it ended."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CRASHED = 70
"""Exit status of a call that raised what nobody caught."""
_EVERY = 0.005


@dataclass(frozen=True, slots=True)
class Ended:
    """Exit status, below 0 for a signal; None where the time was over. What went to standard output and error."""

    status: int | None
    output: str
    errors: str


class Running:
    """A forked process; `end` waits for it."""

    def __init__(self, call: Callable[[], object], said: Path) -> None:
        self._files = [said.with_suffix(".out"), said.with_suffix(".err")]
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            _child(call, self._files)

    def end(self, seconds: float) -> Ended:
        """How it ended; after so many seconds it is killed."""
        until, status = time.monotonic() + seconds, None
        while status is None:
            done, code = os.waitpid(self._pid, os.WNOHANG)
            if done:
                status = os.waitstatus_to_exitcode(code)
            elif time.monotonic() >= until:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                break
            else:
                time.sleep(_EVERY)
        output, errors = (file.read_text(encoding="utf-8", errors="replace") for file in self._files)
        return Ended(status, output, errors)


def forked(call: Callable[[], object], said: Path, seconds: float = 120) -> Ended:
    """Run a call in a process of its own. `said` is the path of the files for what it prints, without their suffix."""
    return Running(call, said).end(seconds)


def _child(call: Callable[[], object], files: list[Path]) -> None:
    """Never returns: the cleaning up at the end of Python belongs to the parent."""
    status = CRASHED
    try:
        for number, file in enumerate(files, start=1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        # Where the parent's streams were replaced, by pytest for instance, they do not write to these files.
        sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
        call()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
