"""A thing in memory has one hash as long as code and contents are the same, and another where one differs."""

import functools
import random
import re
import subprocess
import sys
from array import array

import numpy as np
import pytest
import torch

from perceptbench.bench.memory_sha256 import memory_sha256

PROGRAM = """
from perceptbench.bench.memory_sha256 import memory_sha256
{}
print(memory_sha256({}))
"""


@functools.cache
def hashed(code: str, thing: str) -> str:
    """In a process of its own, as a script or a notebook has it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code, thing)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


MINE = """
import torch
SCALE = 2
def helper(x): return SCALE * x
class Mine:
    "A metric."
    def __init__(self, k=1): self.k, self.table = k, torch.ones(3)
    def __call__(self, x, y): return self.k * helper(x - y)
"""


@pytest.mark.parametrize(
    ("changed", "thing", "same"),
    [
        (MINE, "Mine()", True),
        ("# a comment\n\nother = 3\n" + MINE, "Mine()", True),
        (MINE, "Mine(2)", False),
        (MINE.replace("SCALE = 2", "SCALE = 3"), "Mine()", False),
        (MINE.replace("SCALE * x", "SCALE + x"), "Mine()", False),
        (MINE.replace("ones(3)", "zeros(3)"), "Mine()", False),
        (MINE.replace("x - y", "x + y"), "Mine()", False),
    ],
)
def test_code_of_a_notebook(changed, thing, same):
    assert (hashed(MINE, "Mine()") == hashed(changed, thing)) is same


def closed(value):
    return lambda x, y: value * (x - y)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (closed(1), closed(2)),
        (functools.partial(closed, 1), functools.partial(closed, 2)),
        (torch.zeros(2), torch.zeros(1, 2)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.bfloat16)),
        (torch.zeros(()), torch.ones(())),
        (np.zeros(2), np.ones(2)),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
        (1, 1.0),
        (closed, memory_sha256),
    ],
)
def test_what_differs_in_contents_differs(one, other):
    assert memory_sha256(one) == memory_sha256(one)
    assert memory_sha256(one) != memory_sha256(other)


def test_order_of_a_set_and_cycles_do_no_harm():
    assert memory_sha256({"a", "b", "c"}) == memory_sha256({"c", "b", "a"})
    loop: list = [1]
    loop.append(loop)
    assert memory_sha256(loop) == memory_sha256(loop)


def test_what_cannot_be_read_is_named_and_never_the_same():
    class Holds:
        def __init__(self) -> None:
            self.steps = (one for one in "abc")

    holds = Holds()
    first, second = memory_sha256(holds), memory_sha256(holds)
    assert first.sha256 != second.sha256
    assert "generator" in first.unreadable[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (array("d", [1.0]), array("d", [2.0])),
        (np.random.default_rng(1), np.random.default_rng(2)),
        (random.Random(1), random.Random(2)),
        (re.compile("a"), re.compile("b")),
        (torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)),
    ],
)
def test_an_object_of_an_extension_is_known_by_what_it_gives_to_be_pickled(one: object, other: object) -> None:
    assert memory_sha256([one]) == memory_sha256([one])
    assert memory_sha256([one]) != memory_sha256([other])
