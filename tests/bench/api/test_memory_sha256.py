"""A thing in memory has one hash as long as code and contents are the same, and another where one differs."""

import functools
import json
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
import json, os, sys
import torch
from perceptbench.bench.memory_sha256 import memory_sha256
for code, thing in json.loads(sys.argv[1]):
    if os.fork() == 0:
        exec(code)
        print(memory_sha256(eval(thing)), flush=True)
        os._exit(0)
    if os.wait()[1] != 0:
        sys.exit("it failed")
"""


def hashed(*things: tuple[str, str]) -> list[str]:
    """Of code and what it makes, in a process for each: the code is typed there, as in a script or a notebook."""
    words = [sys.executable, "-c", PROGRAM, json.dumps(things)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


MINE = """
import torch
SCALE = 2
def helper(x): return SCALE * x
class Mine:
    "A metric."
    def __init__(self, k=1): self.k, self.table = k, torch.ones(3)
    def __call__(self, x, y): return self.k * helper(x - y)
"""


CHANGED = {
    "nothing": (MINE, "Mine()"),
    "a comment": ("# a comment\n\nother = 3\n" + MINE, "Mine()"),
    "argument": (MINE, "Mine(2)"),
    "global": (MINE.replace("SCALE = 2", "SCALE = 3"), "Mine()"),
    "function": (MINE.replace("SCALE * x", "SCALE + x"), "Mine()"),
    "tensor": (MINE.replace("ones(3)", "zeros(3)"), "Mine()"),
    "method": (MINE.replace("x - y", "x + y"), "Mine()"),
}


def test_code_of_a_notebook():
    found = dict(zip(CHANGED, hashed((MINE, "Mine()"), *CHANGED.values())[1:], strict=True))
    assert found["nothing"] == found["a comment"] == hashed((MINE, "Mine()"))[0]
    assert len(set(found.values())) == len(CHANGED) - 1


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
