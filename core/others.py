"""Code that is not ours: plug-ins, files and objects of users. Whatever it does ends in one sentence with its place.

    with contained("the metric Mine failed", surely=True, seconds=60):
        given = function(x, y)

What it raises becomes a UserError that names the exception, its file and its line; `sys.exit` is no exception to that.
A process that it forks does not go on with our program, and a call that does not come back is ended where it can be.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType

from perceptbench.core.errors import UnsoundError, UserError
from perceptbench.core.source_code import is_installed

_MOST = 300
"""Letters of somebody's message that are shown."""
_HOME = str(Path(__file__).parents[1])
_PLUGINS: set[str] = set()
"""Packages that registered something: what is installed and not among them (torch, timm) is nobody's plug-in."""


def is_ours(module: str | None) -> bool:
    """Whether a module is part of this project."""
    return (module or "").partition(".")[0] == "perceptbench"


def know_plugin(module: str) -> None:
    """From now on, what happens in the package of this module is the matter of its author."""
    if not is_ours(module):
        _PLUGINS.add(module.partition(".")[0])


@dataclass(frozen=True)
class CodePlace:
    """Where somebody's code failed: the function, its file and the line."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


def place_of(error: BaseException) -> CodePlace | None:
    """The innermost place of somebody's code on the way of an exception; None where only ours and libraries are."""
    found, step = None, error.__traceback__
    while step is not None:
        if _is_theirs(step.tb_frame):
            code: CodeType = step.tb_frame.f_code
            found = CodePlace(code.co_qualname, code.co_filename, step.tb_lineno)
        step = step.tb_next
    if isinstance(error, SyntaxError) and error.filename and not _is_ours_or_library(error.filename):
        # The file that cannot be read has no frame.
        return CodePlace("import", error.filename, error.lineno or 1)
    return found


def _is_theirs(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__") or ""
    file = frame.f_code.co_filename
    # Code without a file is somebody's in a notebook; elsewhere Python or a library made it, maybe in the name of ours.
    if is_ours(module) or file.startswith(_HOME) or (file.startswith("<") and module != "__main__"):
        return False
    return module.partition(".")[0] in _PLUGINS or not is_installed(Path(file))


def _is_ours_or_library(file: str) -> bool:
    names = Path(file).parts
    return not _PLUGINS & set(names) and is_installed(Path(file))


def described(error: BaseException) -> str:
    """An exception of somebody's code in one line: its type, and the beginning of what it says."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    try:
        words = " ".join(str(error).split())
    except Exception:  # an exception may fail to say what it is
        words = ""
    words = words if len(words) <= _MOST else f"{words[:_MOST]} ..."
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def failure(what: str, error: BaseException) -> UserError:
    """The error that users read of somebody's exception.

    Args:
        what: how the sentence begins, up to a colon: "the metric Mine failed"; '' for the name of the function.
    """
    place = place_of(error)
    said = what or f"{place.function if place else 'code outside perceptbench'} failed"
    return UserError(f"{said}: {described(error)}" + (f" ({place})" if place else ""))


class TimeIsUpError(BaseException):
    """No Exception, so that `except Exception` in somebody's code does not swallow it.

    Args:
        seconds: how long was waited; the limit of an outer call may end an inner one.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} seconds; mend what hangs")


_PASSED = (KeyboardInterrupt, GeneratorExit, UserError, UnsoundError, MemoryError)
"""What is said elsewhere already, or is nobody's fault."""
_NO_MEMORY = "OutOfMemoryError"
"""The name of torch's own, which is no MemoryError."""


@contextmanager
def contained(what: str = "", *, surely: bool = False, seconds: float | None = None) -> Iterator[None]:
    """Run somebody's code, or code of ours that calls it.

    Args:
        what: how a sentence about it begins: "the metric Mine failed". Without it, the function that failed is named.
        surely: whether all that goes wrong inside is theirs. Otherwise an exception is theirs if it came through their
            code, and another one stays as it is.
        seconds: how long it may take, in the main thread of a POSIX system; None for any time.

    Raises UserError for any exception of theirs, and where the time is up.
    """
    process = os.getpid()
    try:
        with limited(seconds):
            yield
    except _PASSED:
        raise
    except TimeIsUpError as error:
        if not surely:
            raise
        raise UserError(f"{what}: {error}") from None
    except BaseException as error:
        if type(error).__name__ == _NO_MEMORY or (not surely and place_of(error) is None):
            raise
        raise failure(what, error) from error
    finally:
        leave_if_forked(process)


def leave_if_forked(process: int) -> None:
    """End this process at once where it is a child that somebody's code forked from the process of this number."""
    if os.getpid() != process:
        # Nothing is flushed or released: buffers and locks belong to the parent.
        os._exit(0)


def limited(seconds: float | None) -> AbstractContextManager[None]:
    """Raises TimeIsUpError where the code inside takes longer, in the main thread of a POSIX system; None for any time.
    A limit inside another one does not count."""
    return nullcontext() if seconds is None or not _can_limit() else _alarm(seconds)


def _can_limit() -> bool:
    """Whether nobody else uses the alarm of this process, which its main thread gets."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(signal.SIGALRM) in (signal.SIG_DFL, signal.SIG_IGN)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def over(_signal: int, _frame: FrameType | None) -> None:
        raise TimeIsUpError(seconds)

    before = signal.signal(signal.SIGALRM, over)
    # It rings again every second, for code that catches everything.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
