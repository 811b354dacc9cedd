"""The half of a task that reads finished runs. Listing tasks must be cheap, so no data frames are imported here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from perceptbench.core.errors import UserError
from perceptbench.core.registry import Registry
from perceptbench.core.spec import Ref

if TYPE_CHECKING:
    from perceptbench.results.record import Record
    from perceptbench.results.rows import Row


class Scores(Protocol):
    """What a task declares, and how its samples are scored. Importing one needs no torch, pandas or scipy."""

    name: str
    """The registered name."""
    goals: tuple[str, ...]
    """What an attacker may want; the first is the default."""
    kinds: tuple[str, ...]
    """Kinds of data it reads: triplets, images, pairs, ..."""
    moves: tuple[str, ...]
    """Which images may move; the first is the default."""
    columns: Mapping[str, str]
    """Its own columns of samples.parquet and their dtypes, beside results.record.COMMON."""

    def rows(self, record: "Record") -> "list[Row]":
        """The natural row first, then one attack and one certificate row an eps."""
        ...


scores: Registry[Scores] = Registry("task", "perceptbench.results.tasks", group="bench.scores")


def task_name(task: str) -> str:
    """The name of a task without its arguments: `matching` of `matching(tau=0.3)`."""
    return Ref.parse(task).name


def scores_of(task: str) -> Scores:
    """The scores of a task as typed, with or without arguments. Raises UserError for a task that is not installed."""
    return scores.build(Ref(task_name(task)))


def installed(task: str) -> bool:
    """Whether the scores of a task can be had here: a run may come from a machine with other plug-ins."""
    try:
        scores_of(task)
    except UserError:
        return False
    return True
