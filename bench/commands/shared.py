"""Options that several commands share, with one name, meaning and help text."""

from dataclasses import dataclass, field
from pathlib import Path

from perceptbench.core.number import MOST_SEED
from perceptbench.core.option import option

SEED = option("Seed of every random number.", max=MOST_SEED)
RUNS = option("Folder of finished and interrupted runs.")
JSON = option("One JSON object on standard output, nothing else there.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How runs are computed, stored and shown; it changes no result.

    Args:
        batch_size: a number, or auto.
        runs: the folder that runs are stored in and answered from.
        json: print one JSON object in place of tables.
    """

    batch_size: str = field(default="auto", metadata=option("A number, or auto; it changes no result."))
    runs: Path = field(default=Path("runs"), metadata=RUNS)
    json: bool = field(default=False, metadata=JSON)
