"""Engines, each wrong in one way."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from perceptbench.bench.engines.base import engine
from perceptbench.bench.engines.local import Local


class GivesNone(Local):
    def map(self, job: Any, chunks: Iterable[Any]) -> Iterator[Any]:
        yield from (None for _ in chunks)


class Prints(Local):
    def map(self, job: Any, chunks: Iterable[Any]) -> Iterator[Any]:
        print("computing")
        yield from super().map(job, chunks)


class Hangs(Local):
    def map(self, job: Any, chunks: Iterable[Any]) -> Iterator[Any]:
        time.sleep(10**6)
        yield from ()


class DrawsGlobally(Local):
    def map(self, job: Any, chunks: Iterable[Any]) -> Iterator[Any]:
        torch.rand(())
        yield from super().map(job, chunks)


@engine("hostile-raises", source="this example")
class Raises(Local):
    """Has no worker."""

    def map(self, job: Any, chunks: Iterable[Any]) -> Iterator[Any]:
        raise ConnectionError("no worker")


class Exits(Local):
    def map(self, job: Any, chunks: Iterable[Any]) -> Iterator[Any]:
        sys.exit(0)
