"""What a user may ask of `bench run` and `bench certify`, typed. It imports no torch: the options are made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from perceptbench.core.device import DEVICE, Device
from perceptbench.core.option import Declared, collected, option
from perceptbench.core.spec import ATTACK, Norm, Options, Ref, parse_eps, split_list
from perceptbench.core.threat import Move, Threat


def declared_options() -> Sequence[Declared]:
    """The options that tasks, threats and attacks declare. Called for every help and parse: it must import no torch."""
    return ()


def _certifiers(texts: Sequence[str]) -> tuple[str, ...]:
    names = tuple(split_list(texts))
    return () if names == ("none",) else names


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Options):
    """What a user asked for; the runs are the product of metrics, data sets and methods.

    Args:
        metrics, data, attacks, certifiers: names as typed; each text may be a comma list.
        eps: budgets, sorted.
        goal: flip, push or pull; None for the attack's own.
        device: auto takes a GPU where there is one.
        save_images: of so many triplets a run. It decides no number, so it is no option of the spec.
        declared: the options of `declared_options` that were typed.
    """

    metrics: Sequence[str] = field(metadata=option("Metrics; repeat, or give a comma list.", name="metric"))
    data: Sequence[str] = field(
        default=("photos",), metadata=option("photos, nights:PATH[@split], bapps:PATH, csv:PATH, images:DIR.")
    )
    attacks: Sequence[str] = field(
        default=(), metadata=option("Attacks; repeat, or give a comma list.", name="attack", required=True)
    )
    certifiers: Sequence[str] = field(
        default=("margin",), metadata=option("margin, another one, or none.", name="certifier", parse=_certifiers)
    )
    eps: tuple[float, ...] = field(metadata=option("Budgets: 2.0, 36/255, or 0.5,1,2,3.", parse=parse_eps))
    goal: str | None = field(
        default=None,
        metadata=option("flip, push (identical images differ) or pull (different ones agree).", section=ATTACK),
    )
    device: str = field(default="auto", metadata=DEVICE)
    save_images: int = field(
        default=0,
        metadata=option("Keep the images of the first N triplets, for sheets; no number changes.", section=ATTACK),
    )
    declared: Mapping[str, object] = field(
        default_factory=dict, metadata=collected("Of tasks, threats and attacks", declared_options)
    )

    @property
    def where(self) -> str:
        """cpu or cuda. Raises UserError where there is no GPU and one was asked for."""
        return Device(self.device).resolve()

    def threat(self, norm: Norm) -> Threat:
        """Which images may move, and within what."""
        return Threat(cast(Move, self.move), norm, self.eps_left, self.eps_right)


def refs(texts: Sequence[str]) -> list[Ref]:
    """The names in comma lists."""
    return [Ref.parse(text) for text in split_list(texts)]
