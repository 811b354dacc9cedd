"""The half of a task that reads finished runs. Listing tasks must be cheap, so no data frames are imported here."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args, get_type_hints

from perceptbench.core.errors import UserError
from perceptbench.core.option import Option, says
from perceptbench.core.ref import Ref, Scalar
from perceptbench.core.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

    from perceptbench.results.record import Record
    from perceptbench.results.rows import Row

Measure: TypeAlias = Literal["stands", "smaller", "larger"]
"""What a value of a sample is: whether its answer stands (booleans), or a distance that is better smaller or larger."""


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate (results/gate/) compares of a run: a value for each row of its samples.

    Args:
        natural: before any attack; the same in all rows of a sample.
        attacked: after the attack.
        attacked_measure, natural_measure: what the values are.
        natural_margin: how far a sample is from the opposite clean answer, as a share of the distances that were
            compared. On another machine, answers may differ where this is no more than rounding. None for distances.
    """

    natural: "pd.Series"
    attacked: "pd.Series"
    attacked_measure: Measure = "stands"
    natural_measure: Measure = "stands"
    natural_margin: "pd.Series | None" = None


class Scores:
    """What a task declares, and how its samples are scored. Importing one needs no torch, pandas or scipy.

    Where it is a dataclass, its fields are the options of the task, which users type: `--tau 0.3`.
    """

    name: ClassVar[str]
    """The registered name."""
    goals: ClassVar[tuple[str, ...]]
    """What an attacker may want; the first is the default."""
    kinds: ClassVar[tuple[str, ...]]
    """Kinds of data it reads: triplets, images, pairs, ..."""
    moves: ClassVar[tuple[str, ...]]
    """Which images may move, of those in core/threat.py: `reference` where nothing is typed, the query of a search."""
    endless: ClassVar[bool] = False
    """Whether more is always better. Then no goal is ever reached, and no attack looks for a boundary."""
    by_embedding: ClassVar[bool] = False
    """Whether attacks that move the embedding alone (`l2-mse`) serve a goal that has an end: the judge says what they
    reached."""
    provable: ClassVar[bool] = False
    """Whether certificates say something about its answers."""
    attacked: ClassVar[bool] = True
    """Whether anybody attacks. Where nobody does, a run answers, and has neither attack nor certificate."""
    repeats: ClassVar[bool] = False
    """Whether a run asks the same sample of its data several times, so that it has more samples than its limit."""
    chance: ClassVar[float | None] = None
    """The clean score that a coin would get, in percent; None where there is no such score."""
    columns: ClassVar[Mapping[str, str]]
    """Its own columns of samples.parquet and their dtypes, beside results.record.COMMON."""
    later: ClassVar[Mapping[str, object]] = {}
    """Columns that runs of older versions lack, with the value that all their samples have."""

    def rows(self, record: "Record") -> "list[Row]":
        """The natural row first, then one attack and one certificate row an eps."""
        raise NotImplementedError

    def gated(self, record: "Record") -> Gated | None:
        """What `bench check` compares of each sample; None for a task whose runs have no place in a baseline.

        A certificate needs no word: it stands where the radius exceeds eps.
        """
        return None


def _check_declared(factory: Any) -> None:
    """Raises TypeError for scores that leave out what every run reads of every task."""
    if not isinstance(factory, type) or not issubclass(factory, Scores):
        raise TypeError(f"the scores of a task are a class that derives from Scores, got {factory!r}")
    for name in ("name", "goals", "kinds", "moves", "columns"):
        if not getattr(factory, name, None):
            raise TypeError(f"{factory.__qualname__} must declare {name}")
    get_type_hints(factory)


scores: Registry[Scores] = Registry(
    "task", "perceptbench.results.tasks", group="bench.scores", of=Scores, accept=_check_declared
)


def task_name(task: str) -> str:
    """The name of a task without its arguments: `matching` of `matching(tau=0.3)`."""
    return Ref.parse(task).name


def scores_of(task: str) -> Scores:
    """The scores of a task as typed, with or without arguments. Raises UserError for a task that is not installed."""
    return scores.build(Ref.parse(task))


def arguments() -> dict[str, tuple[type, Scalar, str]]:
    """(type, default, help) of every option that a task declares, by name; of two tasks with one name the first."""
    found: dict[str, tuple[type, Scalar, str]] = {}
    for task in scores.names():
        made: Any = scores.factory(task)
        hints = get_type_hints(made)
        for one in fields(made) if is_dataclass(made) else ():
            told = says(one)
            words = told.help if isinstance(told, Option) else ""
            kind = next((kind for kind in get_args(hints[one.name]) if kind in _TYPES), hints[one.name])
            default = None if one.default is MISSING else one.default
            words = f"{words} (--task {task})".strip()
            found.setdefault(one.name, (kind if kind in _TYPES else str, default, words))
    return found


_TYPES = (str, int, float, bool)


def installed(task: str) -> bool:
    """Whether the scores of a task can be had here: a run may come from a machine with other plug-ins."""
    try:
        scores_of(task)
    except UserError:
        return False
    return True
