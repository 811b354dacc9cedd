"""What decides the numbers of a run, as one SHA-256 a part: a change moves the parts it can change, and no other one.

    weights     the tensors of the metric
    metric      its code, and all that a metric from outside this project holds
    samples     those used: answers, and the content of their files
    data        the code that reads them
    attack, certifier, task, threat     their code
    followed    weights and code of other metrics, where an attack climbs their goals
    evaluator   the code of the loop: what calls the others, judges, and sorts

The code of a part is its closure (core/source_code.py). Weights alone: metrics/identity.py.
"""

import hashlib
from collections.abc import Iterable

from perceptbench.bench.memory_sha256 import Remembered
from perceptbench.core.source_code import closure, module_file, syntax_sha256

EVALUATOR = ("perceptbench.bench.evaluate", "perceptbench.attacks.running.sweep", "perceptbench.bench.fitted_threat")
"""Modules that decide every number, with what they import."""
_SCHEDULERS = tuple(f"perceptbench.bench.{name}" for name in ("runner", "kept_state", "run_facts", "engines.local"))
"""Modules of the loop that decide nothing by what they import."""


def evaluator_sha256() -> str:
    """Of the loop that computes every run."""
    own = [syntax_sha256(path) for path in map(module_file, _SCHEDULERS) if path is not None]
    return joined_sha256((closure(EVALUATOR).sha256, *own))


def part_sha256(*components: object, modules: Iterable[str] = ()) -> str:
    """Of the code of some components: the modules of their classes, and other modules by name."""
    return closure((*_modules(*components), *modules)).sha256


def metric_sha256(*components: object, held: Remembered | None, modules: Iterable[str] = ()) -> str:
    """Of the code of a metric, and of what it holds where it is from outside this project."""
    if held is None:
        return part_sha256(*components, modules=modules)
    return joined_sha256((part_sha256(*components, modules=(*modules, *held.modules)), held.sha256))


def data_sha256(loads: Iterable[object], source: object, modules: Iterable[str] = ()) -> str:
    """Of the code that reads samples.

    Args:
        loads: functions that read the images of samples.
        source: the data set.
        modules: where its factory stands.
    """
    functions = [getattr(load, "func", load) for load in loads]
    reading = {getattr(function, "__module__", "") for function in functions}
    return closure((*_modules(source), *reading, *modules)).sha256


def _modules(*components: object) -> list[str]:
    return [base.__module__ for component in components for base in type(component).__mro__]


def joined_sha256(digests: Iterable[str]) -> str:
    """One hash of several, in order."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()
