"""Rows of what a metric represents, which is one tensor or several side by side."""

from collections.abc import Sequence

import torch
from torch import Tensor

from perceptbench.metrics.base import Representation


def joined(rows: Sequence[Representation]) -> Representation:
    """The rows of several, one after another."""
    if isinstance(rows[0], tuple):
        return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))
    return torch.cat(list(rows))


def first_part(represented: Representation) -> Tensor:
    """A tensor that has as many rows and the same device."""
    first: Tensor = represented[0] if isinstance(represented, tuple) else represented
    return first


def how_many(represented: Representation) -> int:
    """The number of rows."""
    return len(first_part(represented))


def numbers_in(represented: Representation) -> int:
    """How many numbers it holds."""
    return sum(part.numel() for part in represented) if isinstance(represented, tuple) else represented.numel()


def one_row(represented: Representation, i: int) -> Representation:
    """Row i as a batch of one, detached."""
    if isinstance(represented, tuple):
        return tuple(part[i : i + 1].detach() for part in represented)
    return represented[i : i + 1].detach()


def repeated(one: Representation, n: int) -> Representation:
    """A batch of one, n times, without a copy."""
    if isinstance(one, tuple):
        return tuple(part.expand(n, *part.shape[1:]) for part in one)
    return one.expand(n, *one.shape[1:])
