"""The typed request of `bench run` and `bench certify`, of which their options are made. No torch here."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from perceptbench.core.device import DEVICE, Device
from perceptbench.core.errors import LeftOutWarning, UserError
from perceptbench.core.option import Declared, collected, option
from perceptbench.core.ref import Ref, Scalar, fits_tables, parse_eps, split_list
from perceptbench.core.spec import ATTACK, Options


def declared_options() -> Sequence[Declared]:
    """The options that tasks declare, which are the arguments of their scores. Imports no torch.

    Two tasks that declare the same name share one option. A name that every run has is left out, with a warning.
    """
    from perceptbench.results.tasks.base import arguments

    own, found = {field.name for field in fields(Request)} | _OF_COMMANDS, []
    for name, (kind, default, help) in arguments().items():
        if name in own:
            words = f"left out the option --{name.replace('_', '-')} {help}: every run has one; rename it there"
            warnings.warn(words, LeftOutWarning, stacklevel=2)
        else:
            found.append(Declared(name, kind, default, help))
    return tuple(found)


_OF_COMMANDS = {"metric", "attack", "certifier", "batch_size", "runs", "json", "config", "debug", "help"}
"""Words of `bench run` that are no fields of the request."""


EIGHT_BIT = "8bit"
"""The value of `--quantize`, and the channel that is the same."""


def _certifiers(texts: Sequence[str]) -> tuple[str, ...]:
    names = tuple(split_list(texts))
    return () if names == ("none",) else names


@dataclass(frozen=True, slots=True)
class Held:
    """A metric or a data set that was made before anybody asked for it, under the name that tables give it.

    Args:
        name: of a registered one as typed, with what stands behind the name.
        made: the metric or the source.
        registered: whether it is what the registry builds of its name. Else it exists in this process alone.
    """

    name: str
    made: Any
    registered: bool = False

    def __post_init__(self) -> None:
        """Raises UserError for a name that would be taken for one with arguments, or is too long for a table."""
        if not self.registered and not fits_tables(self.name):
            raise UserError(
                f"expected a name of 1 to 80 letters without comma, colon, parentheses and =, got {self.name!r}; "
                "give another"
            )

    @property
    def ref(self) -> Ref:
        """The name that specs and tables have."""
        return Ref.parse(self.name) if self.registered else Ref(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Options):
    """What a user asked for; the runs are the product of metrics, data sets and methods.

    Args:
        metrics, data, attacks, certifiers: names as typed; each text may be a comma list. Metrics and data may also
            be objects.
        edit: edits as `triplets/edits/base.py` reads them, for data that take `edits`; empty for those the data say.
        eps: budgets, sorted.
        task: what is asked of the metric; None for the task that goal, attack or data imply.
        threat: the set of changes; None for the ball of the attack's norm.
        goal: what the attacker wants; None for the first goal of the task.
        through: channels that the image that moves is sent through before it is judged; with 8bit alone all images.
        device: auto takes a GPU where there is one.
        save_images: the number of triplets whose images each run keeps. It changes no result, so it is not in the spec.
        declared: the options of `declared_options` that were typed.
    """

    metrics: Sequence[str | Held] = field(
        metadata=option("Metrics; repeat, or a comma list. Ours=METRIC names one in every table.", name="metric")
    )
    data: Sequence[str | Held] = field(
        default=("photos",),
        metadata=option("photos, nights:PATH[@split], bapps:PATH, csv:PATH, images:DIR, pairs:FILE, copies."),
    )
    edit: Sequence[str] = field(
        default=(),
        metadata=option("An edit of --data copies and its strengths, jpeg:95,75,30; repeat. Default: every edit."),
    )
    attacks: Sequence[str] = field(
        default=(), metadata=option("Attacks; repeat, or give a comma list.", name="attack", required=True)
    )
    certifiers: Sequence[str] = field(
        default=("margin",), metadata=option("margin, another one, or none.", name="certifier", parse=_certifiers)
    )
    eps: tuple[float, ...] = field(metadata=option("Budgets: 2.0, 36/255, or 0.5,1,2,3.", parse=parse_eps))
    task: str | None = field(
        default=None, metadata=option("What is asked of the metric; see: bench list tasks.", section=ATTACK)
    )
    threat: str | None = field(
        default=None, metadata=option("The set of changes; default: that of the attack's norm.", section=ATTACK)
    )
    goal: str | None = field(
        default=None,
        metadata=option("flip, push (identical images differ) or pull (different ones agree).", section=ATTACK),
    )
    device: str = field(default="auto", metadata=DEVICE)
    through: Sequence[str] = field(
        default=(),
        metadata=option("Judge what arrives: jpeg(q=75), resize(0.5), 8bit; several in a list.", section=ATTACK),
    )
    save_images: int = field(
        default=0,
        metadata=option("Keep the images of the first N triplets, for sheets; no number changes.", section=ATTACK),
    )
    declared: Mapping[str, Scalar] = field(default_factory=dict, metadata=collected("Of tasks", declared_options))

    @property
    def where(self) -> str:
        """cpu or cuda. Raises UserError where cuda was asked for and there is no GPU."""
        return Device(self.device).resolve()

    def is_alone(self, ref: Ref) -> bool:
        """Whether it names a metric or a data set that exists in this process alone."""
        held = [one for one in (*self.metrics, *self.data) if isinstance(one, Held)]
        return any(one.ref == ref for one in held if not one.registered)


def refs(texts: Sequence[str]) -> list[Ref]:
    """The names in comma lists."""
    return [Ref.parse(text) for text in split_list(texts)]


_DIGITS = 6


def batch_size(given: int | str) -> int | None:
    """Samples at once; None for auto. Raises UserError for anything but a positive number or auto."""
    text = str(given)
    if text == "auto":
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS or int(text) < 1:
        raise UserError(f"--batch-size wants a positive number or auto, of at most {_DIGITS} digits, got {text[:80]!r}")
    return int(text)
