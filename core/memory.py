"""Memory that is free and should go back to the system."""

import ctypes
import sys
from functools import cache


@cache
def _trim():  # type: ignore[no-untyped-def]
    """glibc's malloc_trim; None where there is none (macOS, musl)."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def release_free_memory() -> None:
    """Give free pages back.

    glibc keeps the holes that tensors of changing sizes leave in its heap, about a megabyte a
    triplet, and a long run would grow by them. Takes some milliseconds.
    """
    trim = _trim()
    if trim is not None:
        trim(0)
