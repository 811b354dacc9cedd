"""The contracts of perceptbench on components that are wrong: every class here must fail, and say why."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from perceptbench_hostile import attacks, certifiers, data, engines, metrics, tasks, threats

from perceptbench.testing import (
    AttackContract,
    CertifierContract,
    EngineContract,
    MetricContract,
    TaskContract,
    ThreatContract,
    TripletsContract,
)
from perceptbench.testing.samples import source_of, triplets

HANGS = 1.0
"""The limit, in seconds, where something hangs anyway."""


def contracts(contract: type, module: Any, base: type | None = None) -> Iterator[tuple[str, type]]:
    """A test class for each component of a module."""
    for made in vars(module).values():
        if isinstance(made, type) and issubclass(made, base or module.Hostile) and made.__module__ == module.__name__:
            name = f"Test{contract.__name__.removesuffix('Contract')}{made.__name__}"
            yield name, type(name, (contract,), {"made": _made(made), **limit(made.__name__)})


def limit(name: str) -> dict[str, float]:
    """A short time for what hangs."""
    return {"seconds": HANGS} if name.lower() == "hangs" else {}


def _made(component: Callable[[], Any]) -> Callable[[Any], Any]:
    return lambda self: component()


globals().update(contracts(MetricContract, metrics))
globals().update(contracts(AttackContract, attacks))
globals().update(contracts(CertifierContract, certifiers))
globals().update(contracts(ThreatContract, threats))
globals().update(contracts(EngineContract, engines, engines.Local))


class TestTriplets(TripletsContract):
    """Once for each way to load an entry."""

    load: Callable[[], Any]

    def made(self) -> Any:
        return data.source(type(self).__dict__["load"])


for load in (data.none, data.numpy, data.sparse, data.nan, data.flat, data.double, data.prints, data.hangs, data.draws,
             data.raises, data.exits):  # fmt: skip
    globals()[f"TestTriplets_{load.__name__}"] = type(
        f"TestTriplets_{load.__name__}", (TestTriplets,), {"load": load, **limit(load.__name__)}
    )
del TestTriplets, load


class TestTripletsNone(TripletsContract):
    """No data set at all."""

    def made(self) -> Any:
        return data.hostile_none()


class OfTask(TaskContract):
    """The task, asked on triplets of known radius."""

    eps = (0.15, 1.0)

    def source(self) -> Any:
        return source_of(triplets([0.1, 0.2, 0.3, 0.4], seed=1))


for how in ("nothing", "numpy", "shape", "writes", "prints", "hangs", "draws", "remembers", "raises", "exits"):
    globals()[f"TestTask_{how}"] = type(
        f"TestTask_{how}", (OfTask,), {"task": f"hostile-question(how={how})", **limit(how)}
    )


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """What hostile components remember of other tests."""
    tasks.CALLS.clear()
