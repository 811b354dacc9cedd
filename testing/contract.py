"""What all contracts share: whatever a component does, its author reads one sentence that says what to mend.

Every test of a contract is watched. An exception, `sys.exit`, a call that hangs, a forked process, a line printed to
standard output and a draw from the global random numbers of Python, NumPy or torch each fail the test by an
AssertionError; our own traceback is never all there is to read.
"""

import io
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from functools import wraps
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis.errors import Flaky
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.others import (
    TimeIsUpError,
    contained,
    described,
    failure,
    leave_if_forked,
    limited,
    place_of,
)

_SAID = (AssertionError, pytest.skip.Exception, pytest.fail.Exception, pytest.xfail.Exception, KeyboardInterrupt)
"""What says by itself what is wrong, or that nothing is."""
_forks = [0]
os.register_at_fork(after_in_parent=lambda: _forks.__setitem__(0, _forks[0] + 1))


class Contract:
    """The base of every contract."""

    seconds: float = 300.0
    """How long one test may take, in the main thread of a POSIX system; it fails where something hangs."""
    ends: float = math.inf
    """When the time of the test that runs is up, on the monotonic clock."""
    may_fork: bool = False
    """Whether the component may fork processes, as engines do."""

    def __init_subclass__(cls, **words: Any) -> None:
        """Every test of the class is watched."""
        super().__init_subclass__(**words)
        for name, test in list(vars(cls).items()):
            if name.startswith("test") and isinstance(test, FunctionType):
                setattr(cls, name, _watched(test))


def built(make: Callable[[], Any], kinds: type | tuple[type, ...]) -> Any:
    """What the method of a derived class gives. Fails with a sentence where it raises, or gives another thing."""
    name = make.__qualname__
    try:
        with contained(f"{name}() failed", surely=True):
            made = make()
    except UserError as error:
        raise AssertionError(str(error)) from error
    wanted = " or ".join(one.__name__ for one in (kinds if isinstance(kinds, tuple) else (kinds,)))
    assert isinstance(made, kinds), f"{name}() must give {wanted}, got {type(made).__name__}"
    return made


def _watched(test: FunctionType) -> Callable[..., Any]:
    if hasattr(test, "hypothesis"):
        test.hypothesis.inner_test = _ended_in_time(test.hypothesis.inner_test)

    @wraps(test)
    def run(self: Contract, *words: Any, **named: Any) -> None:
        __tracebackhide__ = True
        stochastic = any(getattr(one, "stochastic", False) for one in (*words, *named.values()))
        process, forks = os.getpid(), _forks[0]
        try:
            with _nothing_printed(), nullcontext() if stochastic else _global_random_numbers_untouched():
                _carried_out(test, self, *words, **named)
        finally:
            leave_if_forked(process)
        assert self.may_fork or _forks[0] == forks, "it must not fork a process; compute in the process that calls it"

    return run


def _ended_in_time(example: Callable[..., None]) -> Callable[..., None]:
    """An example of Hypothesis that ends the whole test once its time is up: a simpler example would hang as well."""

    @wraps(example)
    def run(self: Contract, *words: Any, **named: Any) -> None:
        __tracebackhide__ = True
        try:
            example(self, *words, **named)
        except Exception:
            if time.monotonic() >= self.ends:
                raise TimeIsUpError(self.seconds) from None
            raise

    return run


def _carried_out(test: FunctionType, self: Contract, *words: Any, **named: Any) -> None:
    """Run a test in its time. Raises AssertionError for whatever goes wrong besides its own assertions."""
    __tracebackhide__ = True
    self.ends = time.monotonic() + self.seconds
    try:
        with limited(self.seconds):
            test(self, *words, **named)
    except _SAID:
        raise
    except TimeIsUpError as error:
        raise AssertionError(f"it gave {error}") from None
    except UserError as error:
        # Without notes: Hypothesis adds its example, which stands in the traceback.
        raise AssertionError(str(error)) from error
    except Flaky as error:
        raise AssertionError(
            "it gave another answer to the same question; keep no state between calls, and draw from what is given"
        ) from error
    except BaseException as error:
        if place_of(error) is not None:
            raise AssertionError(str(failure("", error))) from error
        raise AssertionError(
            f"what it gave does not fit its protocol ({described(error)}); compare types, shapes and attributes with "
            "the class that it derives from"
        ) from error


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """Fails where something was printed to standard output; what was printed is shown."""
    kept = io.StringIO()
    try:
        with redirect_stdout(kept):
            yield
    finally:
        sys.stdout.write(kept.getvalue())
    first = kept.getvalue().partition("\n")[0]
    assert not kept.getvalue(), f"it must not print to standard output, which is for answers; it printed {first!r}"


@contextmanager
def _global_random_numbers_untouched() -> Iterator[None]:
    """Fails where somebody drew from a global generator."""
    before = _global_states()
    yield
    drawn = [name for name, state in _global_states().items() if state != before[name]]
    assert not drawn, (
        f"it must not draw from the global random numbers of {' and '.join(drawn)}; draw from a generator that is given"
    )


def _global_states() -> dict[str, object]:
    _, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - it is only looked at
    numpy = (np.asarray(keys).tobytes(), *rest)
    found: dict[str, object] = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "NumPy": numpy,
        "Python": random.getstate(),
    }
    if "beartype" in sys.modules:
        # It draws the items of a list that it checks.
        del found["Python"]
    return found


def dense(found: Any, like: Tensor, what: str) -> None:
    """Fails with a sentence where something is no dense tensor of the shape and type of another one."""
    assert isinstance(found, Tensor), f"{what} must be a torch tensor, got {type(found).__name__}"
    assert found.layout == torch.strided, f"{what} must be dense, got {found.layout}"
    assert found.shape == like.shape, f"{what} must be of shape {tuple(like.shape)}, got {tuple(found.shape)}"
    assert found.dtype == like.dtype, f"{what} must be {like.dtype}, got {found.dtype}"
