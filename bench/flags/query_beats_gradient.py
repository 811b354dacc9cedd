"""Query beats gradient: an attack that sees distances alone found what those with gradients missed."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.attacks.adaptive import MASKED
from perceptbench.bench.flags.base import Flag, Observed, flag, percent


@flag("query-beats-gradient", source="arXiv:1802.00420, section 3.1; a flag of AutoAttack")
@dataclass(frozen=True, slots=True)
class QueryBeatsGradient(Flag):
    """The share of flips that a query attack found after attacks with gradients had missed them."""

    name: ClassVar[str] = "query-beats-gradient"
    threshold: ClassVar[float] = 0.1
    sign: ClassVar[str] = MASKED

    def measure(self, evidence: Observed) -> float | None:
        if not (evidence.query_parts and evidence.gradient_parts and evidence.flips):
            return None
        return sum(evidence.flips.get(part, 0) for part in evidence.query_parts) / sum(evidence.flips.values())

    def sentence(self, measured: float) -> str:
        return f"{percent(measured)} of the flips were found without gradients, after attacks with gradients had missed"
