"""What the command line says of an error, and with which status it leaves."""

import inspect
import sys
import traceback
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Annotated

import typer

from perceptbench.bench.machine_failures import is_of_the_machine, refusal
from perceptbench.core.errors import UnsoundError, UserError, sentence
from perceptbench.core.others import described, failure, place_of
from perceptbench.core.printable import printable_lines

CHECK_FAILED, BAD_INPUT, OUR_FAULT = 1, 2, 3
"""Exit statuses, beside 0 for done. README.md explains them."""
_DEBUG = "--debug"


def debug_option() -> inspect.Parameter:
    """The option `--debug` of a command. It is read in `told`, which also serves where no command was reached."""
    annotation = Annotated[bool, typer.Option(_DEBUG, help="Show where in the code an error was raised.")]
    return inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)


def told(error: BaseException) -> int:
    """Say an error on standard error and give the exit status. With `--debug` its traceback is shown too."""
    words, status = _verdict(error)
    if _DEBUG in sys.argv[1:]:
        traceback.print_exception(error)
    print(f"bench: {printable_lines(words)}", file=sys.stderr)
    return status


def _verdict(error: BaseException) -> tuple[str, int]:
    if isinstance(error, UserError):
        return sentence(error), BAD_INPUT
    if isinstance(error, UnsoundError):
        return str(error), CHECK_FAILED
    if place_of(error) is not None and not is_of_the_machine(error):
        return "; ".join([str(failure("", error)), *getattr(error, "__notes__", ())]), BAD_INPUT
    if isinstance(error, Exception) and (words := refusal(error)):
        return "; ".join([words, *getattr(error, "__notes__", ())]), BAD_INPUT
    return _our_fault(error), OUR_FAULT


def _our_fault(error: BaseException) -> str:
    """One line on what happened and how to report it."""
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" ({Path(one.filename).name}, line {one.lineno})" for one in frame)
    how = "" if _DEBUG in sys.argv[1:] else f"run the same command with {_DEBUG} and "
    return (
        f"a fault of perceptbench {_version()}, not of what you typed: {described(error)}{place}; "
        f"please {how}report what it prints{_where()}"
    )


def _version() -> str:
    try:
        return version("perceptbench")
    except PackageNotFoundError:
        return "(not installed)"


def _where() -> str:
    """The issue tracker, as the package declares it."""
    try:
        urls = metadata("perceptbench").get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    named = dict(one.split(", ", 1) for one in urls if ", " in one)
    return f" at {named['Issues']}" if "Issues" in named else ""
