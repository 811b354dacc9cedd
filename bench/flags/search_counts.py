"""What was counted of each sample while an attack searched: collected by chunk, kept on disk until the run ends."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

from perceptbench.attacks.running.judge import Outcome
from perceptbench.core.files import write_atomically
from perceptbench.tasks.base import Batch


@dataclass(frozen=True)
class SearchCounts:
    """Counts of one sample, or of several together.

    Args:
        gradients, flat: gradients that were computed, and those of them that were zero everywhere.
        samples: samples that were attacked along gradients, and not at the goal from the beginning.
        stuck: those of them whose loss never rose above that of the first image, in any search.
    """

    gradients: float = 0
    flat: float = 0
    samples: float = 0
    stuck: float = 0

    @classmethod
    def sum(cls, several: "Sequence[SearchCounts]") -> "SearchCounts":
        """Together."""
        return cls(*(sum(getattr(one, f.name) for one in several) for f in fields(cls)))


class SearchWatch:
    """Watches the loop over budgets and takes the counts of each sample. No number of a run depends on it."""

    def __init__(self) -> None:
        self._found: dict[str, SearchCounts] = {}

    def watch(self, batch: Batch, outcome: Outcome) -> None:
        """Counts grow with the budgets, so those of the last one are kept."""
        spent = outcome.spent
        columns = (spent.backwards, spent.flat, spent.searches, spent.rises)
        for name, (gradients, flat, searches, rises) in zip(
            batch.ids, zip(*(column.tolist() for column in columns), strict=True), strict=True
        ):
            searched = float(searches > 0)
            self._found[name] = SearchCounts(gradients, flat, searched, float(searched and rises == 0))

    def taken(self) -> dict[str, SearchCounts]:
        """What came since the last call."""
        taken, self._found = self._found, {}
        return taken


class KeptCounts:
    """The counts of a run, by sample, in small files beside the shards: a run that was stopped goes on with them.

    Args:
        folder: of the run; None where nothing is written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._place = None if folder is None else folder / "search"
        self.found: dict[str, SearchCounts] = {}
        for path in sorted(self._place.glob("*.json")) if self._place else ():
            self.found |= _read(path)

    def add(self, found: Mapping[str, SearchCounts]) -> None:
        """Those of one chunk, before its rows are written: rows without counts would be a gap that nobody fills."""
        self.found |= found
        if self._place is not None and found:
            text = json.dumps({name: asdict(one) for name, one in found.items()})
            number = len(list(self._place.glob("*.json"))) if self._place.is_dir() else 0
            write_atomically(self._place / f"{number:06d}.json", partial(Path.write_text, data=text, encoding="utf-8"))

    def drop(self) -> None:
        """Once the record holds what they say."""
        for path in self._place.glob("*") if self._place else ():
            path.unlink()
        if self._place is not None and self._place.is_dir():
            self._place.rmdir()


def _read(path: Path) -> dict[str, SearchCounts]:
    """Counts of a file; none where it is damaged, as they are only counts."""
    try:
        return {str(name): SearchCounts(**one) for name, one in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError):
        return {}
