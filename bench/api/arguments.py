"""What is given to the functions of Python, where the command line would have typed text: paths, numbers."""

import os
from pathlib import Path
from typing import Any

from perceptbench.core.errors import UserError
from perceptbench.core.option import as_path

_LONGEST = 80


def path_of(given: Any, name: str) -> Path:
    """A path from a text or what os.fspath takes; names as bytes are those of the system.

    Raises UserError, opened by `name`, for anything else, an empty text, and a path that no system takes.
    """
    try:
        text = os.fsdecode(given)
    except Exception:  # __fspath__ may be anybody's.
        raise UserError(f"{name} wants a path, got {type(given).__name__}; give a text or a pathlib.Path") from None
    return as_path(text, name)


def number_of(given: Any, name: str) -> float:
    """A number that fits float64. Raises UserError, opened by `name`, for anything else: a text, a truth value."""
    try:
        if isinstance(given, str | bytes | bool):
            raise TypeError
        return float(given)
    except OverflowError:
        raise UserError(f"{name} wants a number that fits a float, got a larger one") from None
    except (TypeError, ValueError, RuntimeError):
        raise UserError(f"{name} wants a number, got {brief(given)}") from None


def brief(given: Any) -> str:
    """What was given as Python writes it, cut where it is long; its type where Python refuses to write it."""
    try:
        text = repr(given)
    except Exception:  # An integer of many digits, or anybody's __repr__.
        return f"one {type(given).__name__}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
