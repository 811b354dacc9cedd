"""Standard output is for answers: one JSON object, or tables. What anybody else prints goes to standard error.

A metric, a plug-in or a library may print whenever its code runs. With `--json`, a program reads standard output, and
one such line would spoil it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from typing import TextIO

_STREAM: ContextVar[TextIO | None] = ContextVar("answers", default=None)


def answers() -> TextIO:
    """Where answers are written."""
    return _STREAM.get() or sys.stdout


def answer(words: object) -> None:
    """Write a line of an answer."""
    print(words, file=answers())


@contextmanager
def only_answers() -> Iterator[None]:
    """While a command runs, `print` of anybody else writes to standard error."""
    token = _STREAM.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _STREAM.reset(token)


@contextmanager
def own_descriptor() -> Iterator[None]:
    """Give standard output a descriptor of its own, for the rest of the process.

    What programs that somebody starts and libraries in C write to descriptor 1 then goes to standard error, and so does
    what is printed after the command, when the process ends.
    """
    moved = _moved()
    try:
        yield
    finally:
        if moved:
            stream, sys.stdout = sys.stdout, sys.stderr
            _close(stream)


def _close(stream: TextIO) -> None:
    """Raises OSError where what was written cannot be kept: on a full disk, for instance."""
    try:
        stream.flush()
    except BrokenPipeError:
        pass  # Whoever reads has read enough.
    finally:
        with suppress(OSError):
            stream.close()


def _moved() -> bool:
    now = sys.stdout
    try:
        if now.fileno() != 1:
            return False
        now.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError, AttributeError):  # a stream without a descriptor, or one that is closed
        return False
    lines = getattr(now, "line_buffering", False)
    sys.stdout = open(kept, "w", buffering=1 if lines else -1, encoding=now.encoding, errors=now.errors)  # noqa: PTH123, SIM115
    return True
