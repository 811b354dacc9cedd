"""What one sample got in a run, as a baseline keeps it: one line that people can read in a diff."""

import math
from dataclasses import dataclass

from perceptbench.results.tasks.base import Measure

ROUNDING = 1e-4
"""Two machines may differ by this share of an eps or a distance: an answer that is closer to turning is no evidence."""

_DISTANCE, _MARGIN = ".6g", ".3g"


@dataclass(frozen=True, slots=True)
class SampleOutcome:
    """Values of one sample: 1 and 0 for an answer that stands or not, or distances.

    Args:
        natural: before any attack.
        certified: for each eps, whether the radius exceeds it; None without a certifier.
        attacked: for each eps, what the attack left; None without an attack.
        margin: how far the clean answer is from the opposite one, as a share; None where that is not known.
        radius: the certified radius; None without a certifier, or where that is not known.
    """

    natural: float
    certified: tuple[float, ...] | None
    attacked: tuple[float, ...] | None
    margin: float | None = None
    radius: float | None = None

    def word(self, natural: Measure, attacked: Measure) -> str:
        """`1 1110 10 0.0231 2.47103`: natural, certified, attacked, margin, radius; `-` for what there is not."""
        return " ".join((
            _shown((self.natural,), natural), _shown(self.certified, "stands"), _shown(self.attacked, attacked),
            "-" if self.margin is None else f"{self.margin:{_MARGIN}}",
            "-" if self.radius is None else f"{self.radius:{_DISTANCE}}",
        ))  # fmt: skip

    @classmethod
    def parse(cls, word: str, natural: Measure, attacked: Measure) -> "SampleOutcome":
        """Read a word; of schema 1, margin and radius are missing. Raises ValueError for anything else."""
        parts = word.split(" ")
        if len(parts) not in (3, 5):
            raise ValueError(f"expected five words, got {word!r:.60}")
        margin, radius = (None if part == "-" else _number(part) for part in (*parts[3:], "-", "-")[:2])
        before = _read(parts[0], natural)
        if before is None or len(before) != 1 or (margin or 0) < 0 or (radius or 0) < 0:
            raise ValueError(f"expected one natural value, and no negative margin or radius, in {word!r:.60}")
        return cls(before[0], _read(parts[1], "stands"), _read(parts[2], attacked), margin, radius)


def _shown(values: tuple[float, ...] | None, measure: Measure) -> str:
    if values is None:
        return "-"
    return "".join("1" if value else "0" for value in values) if measure == "stands" else ",".join(
        f"{value:{_DISTANCE}}" for value in values
    )  # fmt: skip


def _read(text: str, measure: Measure) -> tuple[float, ...] | None:
    if text == "-":
        return None
    if measure != "stands":
        return tuple(_number(part) for part in text.split(","))
    if not text or set(text) - {"0", "1"}:
        raise ValueError(f"expected zeros and ones, got {text!r:.60}")
    return tuple(map(float, text))


def _number(text: str) -> float:
    """A finite number; a radius without end is `inf`."""
    value = float(text)
    if math.isnan(value):
        raise ValueError(f"expected a number, got {text!r:.60}")
    return value
