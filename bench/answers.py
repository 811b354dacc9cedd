"""Standard output is for answers: one JSON object, or tables. What anybody else prints goes to standard error.

A metric, a plug-in or a library may print whenever its code runs. With `--json`, a program reads standard output, and
one such line would spoil it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
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


def keep_descriptor() -> None:
    """Give standard output a descriptor of its own, for the rest of the process.

    What programs that somebody starts and libraries in C write to descriptor 1 then goes to standard error.
    """
    try:
        if sys.stdout.fileno() != 1:
            return
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError, AttributeError):  # a stream without a descriptor, or one that is closed
        return
    now = sys.stdout
    line_buffering = getattr(now, "line_buffering", False)
    sys.stdout = os.fdopen(kept, "w", encoding=now.encoding, errors=now.errors)
    sys.stdout.reconfigure(line_buffering=line_buffering)
