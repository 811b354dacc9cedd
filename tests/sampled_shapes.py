"""A plug-in for pytest: in one test, annotated shapes are checked at the first calls of each kind, not at every call.

Checking took three quarters of the time of attacks, which call one function thousands of times with tensors of the
same shapes. A call with a shape, type or number of arguments that this function has not yet met in this test is
checked; after a hundred calls only each eighth one is looked at. Counts begin anew with each test: what one finds
depends on no other.
"""

import inspect
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

import jaxtyping
import pytest
import torch

CHECKED = 3
"""Calls of one kind that are checked in one test. More than one, since what a function keeps may spoil the second."""
OFTEN, SELDOM = 100, 8
"""After so many calls of a function in one test, one of so many is looked at: to look costs as much as a small step."""
_met: Counter[Any] = Counter()
_calls: Counter[Any] = Counter()
_jaxtyped = jaxtyping.jaxtyped


def sampled(fn: Any = None, **words: Any) -> Any:
    """What jaxtyping decorates with; functions alone are called often enough to matter."""
    if fn is None:
        return lambda fn: sampled(fn, **words)
    checked = _jaxtyped(fn, **words)
    return _at_first(fn, checked) if inspect.isfunction(fn) else checked


def _at_first(fn: Callable[..., Any], checked: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(fn)
    def call(*args: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        _calls[fn] += 1
        if (count := _calls[fn]) > OFTEN and count % SELDOM:
            return fn(*args, **named)
        kind = (fn, *map(_kind, args), *[(name, _kind(one)) for name, one in named.items()])
        if _met[kind] >= CHECKED:
            return fn(*args, **named)
        _met[kind] += 1
        return checked(*args, **named)

    return call


def _kind(one: Any) -> Any:
    """What an annotation can tell apart: type and shape, and the words of a Literal."""
    if isinstance(one, torch.Tensor):
        return type(one), one.shape, one.dtype
    if isinstance(one, (tuple, list)):
        return type(one), *map(_kind, one)
    return one if isinstance(one, str) else type(one)


@pytest.fixture(autouse=True)
def shapes_not_yet_met() -> None:
    """No test profits from what another one has checked."""
    _met.clear()
    _calls.clear()


jaxtyping.jaxtyped = sampled
