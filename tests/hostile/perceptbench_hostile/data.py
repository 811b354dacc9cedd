"""Data sets, each wrong in one way: in what an entry loads, or as a whole."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from perceptbench.triplets.base import SIDE, Entry, TripletSource, triplets

Row = tuple[Tensor, Tensor, Tensor]


def row() -> Row:
    """Three images."""
    draw = torch.Generator().manual_seed(0)
    first, second, third = torch.rand(3, 3, SIDE, SIDE, generator=draw)
    return first, second, third


def source(load: Callable[[], Any]) -> TripletSource:
    """Three triplets that are loaded in this way."""
    return TripletSource("hostile", tuple(Entry(f"h{i}", 1.0, load) for i in range(3)), 0, "hostile")


def none() -> Any:
    return None


def numpy() -> Any:
    return tuple(x.numpy() for x in row())


def sparse() -> Any:
    return tuple(x.to_sparse() for x in row())


def nan() -> Any:
    return tuple(x * float("nan") for x in row())


def flat() -> Any:
    return tuple(x.flatten() for x in row())


def double() -> Any:
    return tuple(x.double() for x in row())


def prints() -> Any:
    print("loading")
    return row()


def hangs() -> Any:
    time.sleep(10**6)


def draws() -> Any:
    return tuple(torch.rand(3, SIDE, SIDE) for _ in range(3))


def raises() -> Any:
    raise FileNotFoundError("no such picture")


def exits() -> Any:
    sys.exit(4)


@triplets("hostile-raises", source="this example")
def hostile_raises() -> TripletSource:
    """No picture can be read."""
    return source(raises)


@triplets("hostile-none", source="this example")
def hostile_none() -> Any:
    """Nothing."""


class Others(TripletSource):
    """Gives other samples than were asked for."""

    def batch(self, entries: Any) -> Any:
        return replace(super().batch(entries), ids=("x",) * len(entries))


@triplets("hostile-others", source="this example")
def hostile_others() -> TripletSource:
    """Other samples."""
    made = source(row)
    return Others(made.name, made.entries, 0, made.recipe)
