"""Runs that are kept in this process alone: nothing is written, and nothing outlives it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from perceptbench.results.record import COLUMNS, Record
from perceptbench.results.store import no_samples


class MemoryStore:
    """A store without a folder. It answers for the runs that were finished in it."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def get(self, run_id: str) -> Record | None:
        """The finished run of that id; None where there is none."""
        return self._records.get(run_id)

    def folder(self, run_id: str) -> Path | None:
        """None: there is no place for files."""
        return None

    @contextmanager
    def writer(self, run_id: str, columns: Mapping[str, str] = COLUMNS) -> "Iterator[MemoryWriter]":
        """Take a run while it is computed."""
        yield MemoryWriter(self._records, columns)

    def set_aside(self, run_id: str) -> None:
        """Forget a run."""
        self._records.pop(run_id, None)


class MemoryWriter:
    """One run being computed."""

    def __init__(self, records: dict[str, Record], columns: Mapping[str, str]) -> None:
        self._records = records
        self.done = no_samples(columns)
        """Nothing: a run that was stopped left nothing behind."""

    def add(self, frame: pd.DataFrame) -> None:
        """Finished samples are kept by the run itself until it ends."""

    def finish(self, record: Record) -> None:
        """Keep the run."""
        self._records[record.run] = record
