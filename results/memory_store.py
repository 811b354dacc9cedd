"""Runs that are kept in this process alone: nothing is written, and nothing outlives it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from perceptbench.core.spec import question
from perceptbench.results.record import COLUMNS, Record, answers, narrowed
from perceptbench.results.store import no_samples


class MemoryStore:
    """A store without a folder. It answers for the runs that were finished in it."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def get(self, run_id: str) -> Record | None:
        """The finished run of that id; None where there is none."""
        return self._records.get(run_id)

    def covering(self, spec: Mapping[str, Any]) -> Record | None:
        """As the protocol says."""
        asked = question(spec)
        fits = [record for record in self._records.values() if answers(record.spec, spec, asked)]
        fits.sort(key=lambda record: (len(record.spec["eps"]), record.run))
        return narrowed(fits[0], spec["eps"]) if fits else None

    def set_aside(self, run_id: str) -> Path | None:
        """Forget a run."""
        self._records.pop(run_id, None)
        return None

    def folder(self, run_id: str) -> Path | None:
        """None: there is no place for files."""
        return None

    @contextmanager
    def writer(self, run_id: str, columns: Mapping[str, str] = COLUMNS) -> "Iterator[MemoryWriter]":
        """Take a run while it is computed."""
        yield MemoryWriter(self._records, columns)


class MemoryWriter:
    """One run being computed."""

    def __init__(self, records: dict[str, Record], columns: Mapping[str, str]) -> None:
        self._records = records
        self.done = no_samples(columns)
        """Nothing: a run that was stopped left nothing behind."""

    def add(self, frame: pd.DataFrame) -> None:
        """Finished samples are kept by the run itself until it ends."""

    def discard(self) -> None:
        """Nothing was left behind."""

    def finish(self, record: Record) -> None:
        """Keep the run."""
        self._records[record.run] = record
