"""The seam between the question that a metric is asked and the run that asks it.

A *task* says which samples it reads, what the clean answer is, what an attacker wants, what a certificate proves, and
how an attacked sample is judged. The run (bench/evaluate.py) calls these in order and knows no task by name:

    prepare, answer, prove, attack what is not proved, judge again, write

Three compositions:

    Preference x flip x APGD             the 2AFC answer under attack (l2-apgd-ce)
    Drift x push x PGD                   how far an invisible change moves an image (--goal push)
    Preference x flip x FMN x margin     no flip is inside a certified radius

A task is two files with one name. The file here computes; `results/tasks/NAME.py` states its columns and makes rows of
them without torch. The class here derives from the class there, so that options, goals and columns are written once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.certifiers.base import Certifier, Proof
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Scalar
from perceptbench.core.registry import Registry
from perceptbench.core.tensors import Images, Mask
from perceptbench.core.threat import Move, Threat
from perceptbench.metrics.base import Metric
from perceptbench.results.tasks.base import Scores

State: TypeAlias = Mapping[str, Scalar]
"""What a task found on clean data before the first sample, such as a threshold."""
Columns: TypeAlias = Mapping[str, Tensor | Sequence[Any]]
"""Values for samples.parquet by column, one for each sample."""
P = TypeVar("P")


@runtime_checkable
class Sample(Protocol):
    """One sample before its images are read."""

    @property
    def id(self) -> str:
        """Identifier, unique in the data set."""
        ...

    @property
    def group(self) -> str:
        """A subset to report on its own; '' for none."""
        ...

    @property
    def reference(self) -> str:
        """A name of its reference image, which other samples may share; '' where none does."""
        ...


@runtime_checkable
class Batch(Protocol):
    """Some samples with their images: a dataclass, whose fields that are tensors have a row for each sample."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the samples, in order."""
        ...

    def to(self, device: str) -> "Batch":
        """The same batch on a device."""
        ...

    def redrawn(self, change: Callable[[Images], Images]) -> "Batch":
        """The same batch with every image changed, and nothing else."""
        ...


@runtime_checkable
class Source(Protocol):
    """A data set: a list of small entries, whose images are read when a batch is asked for."""

    @property
    def name(self) -> str:
        """As users write it."""
        ...

    @property
    def kind(self) -> str:
        """triplets, images, pairs, ...: a task states which kinds it reads."""
        ...

    @property
    def entries(self) -> Sequence[Sample]:
        """All samples, in the order of the data set."""
        ...

    @property
    def sha256(self) -> str:
        """The SHA-256 of everything that decides the samples."""
        ...

    @property
    def note(self) -> str:
        """A sentence that must accompany every score on these data; '' for none."""
        ...

    @property
    def ties(self) -> int:
        """The number of samples that were left out since they have no right answer."""
        ...

    def __len__(self) -> int: ...

    def limited(self, n: int | None) -> "Source":
        """The first n samples of a fixed shuffle."""
        ...

    def batch(self, entries: Sequence[Any]) -> Any:
        """Read the images of some entries: a Batch."""
        ...


@dataclass(frozen=True, slots=True)
class Aim:
    """What an attacker wants of one run.

    Args:
        goal: one of the task's.
        move: which images the attacker may change.
        by_embedding: whether the shift of the embedding is raised (LipSim, eq. 14).
        literal: whether to move away from the metric's own output, as the paper's code does (`--protocol paper`).
    """

    goal: str
    move: Move = "reference"
    by_embedding: bool = False
    literal: bool = False


@dataclass(frozen=True)
class Judged:
    """What the metric answers after images have changed. `reached` (n,): whether the attacker has reached the goal."""

    reached: Mask
    columns: Columns


@dataclass(frozen=True)
class Clean:
    """What the metric answers before any attack.

    Args:
        columns: of the clean sample.
        judged: the judgement of the unchanged images; samples whose goal is already `reached` are not attacked.
    """

    columns: Columns
    judged: Judged


class Task(Scores, Generic[P]):
    """One question. It derives from its scores, which declare goals, options, kinds of data and columns.

    P is what `prepare` makes of a batch; only the task itself reads it.
    """

    def admit(self, source: Source) -> None:
        """Raises UserError for a data set of a kind this task cannot read."""
        if source.kind not in self.kinds:
            wanted = " or ".join(self.kinds)
            raise UserError(f"--task {self.name} reads {wanted}, and {source.name} has {source.kind}; name other data")

    @property
    def fitted_apart(self) -> bool:
        """Whether `fit` reads samples that `answered` leaves out. `--limit` then limits what is answered alone."""
        return False

    def answered(self, source: Source) -> Source:
        """The samples that a run answers, attacks and reports: all of them, unless a task keeps some for `fit` alone.

        What is fitted must not be judged on the samples it was fitted on. The choice depends on the data alone.
        Raises UserError where no sample is left.
        """
        return source

    def fit(self, metric: Metric, source: Source, device: str) -> State:
        """What is computed on clean data once a run. It is stored, so that a resumed run does not compute it again.

        `source` has all samples, also those that `answered` leaves out.
        """
        return {}

    def prepare(self, metric: Metric, batch: Any, aim: Aim, state: State) -> P:
        """Everything that the other methods need of a batch and of what the attacker wants of it.

        Raises UserError for an aim it cannot serve.
        """
        raise NotImplementedError

    def clean(self, prepared: P) -> Clean:
        """The answers before any attack. Raises UserError for a distance that is not finite."""
        raise NotImplementedError

    def moving(self, prepared: P) -> Images:
        """The images (n, 3, h, w) that an attack changes: one for each sample, or several stacked as one."""
        raise NotImplementedError

    def objective(self, prepared: P) -> Objective:
        """The goal as a loss of the images that an attack changes."""
        raise NotImplementedError

    def prove(self, prepared: P, certifier: Certifier, threat: Threat, noise: Noise) -> Proof:
        """Radii (n,) within which the answers stay the same, in the norm of the threat.

        Certifiers prove in pixel l2; certifiers/certify.py converts. Raises UserError where there is no certificate.
        """
        raise UserError(f"--task {self.name} has no certificate; leave --certifier out")

    def prove_at(self, prepared: P, certifier: Certifier, threat: Threat, eps: float) -> Columns:
        """Columns of what is proved at one eps, where a radius does not say it; they replace those of `clean`."""
        return {}

    def judge(self, prepared: P, changed: Tensor, index: Tensor) -> Judged:
        """The answers after a change of some samples.

        Args:
            changed: the images that `moving` gave, after a change, of some samples (m, 3, h, w).
            index: the rows of these samples (m,).
        """
        raise NotImplementedError

    def images(self, prepared: P, changed: Tensor) -> Mapping[str, Images]:
        """All images of the samples by name, the changed ones as `adversarial...`: they are kept as evidence."""
        raise NotImplementedError

    def pictured(self, metric: Metric, batch: Any, aim: Aim, state: State, changed: Tensor) -> Mapping[str, Images]:
        """What `--save-images` keeps of a batch beside what an attack made of it: `reference`, `left` and `right`.

        Args:
            changed: the images that `moving` gives, after the largest change.
        """
        return {name: getattr(batch, name) for name in ("reference", "left", "right")}


task: Registry[Task[Any]] = Registry("task", "perceptbench.tasks", of=Task)
