"""Bars that show how far a run is: on standard error, or in the output of a notebook's cell."""

import sys
import time
from html import escape
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def samples_progress(show: bool | None = None) -> Progress:
    """For tasks that count samples.

    Args:
        show: whether bars are shown; None for where somebody watches: on a terminal and in a notebook.
    """
    errors = Console(stderr=True, markup=False, emoji=False)
    if errors.is_jupyter:
        return NotebookProgress() if show is not False else Progress(disable=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    hidden = not (sys.stderr.isatty() if show is None else show)
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=errors, disable=hidden)


class NotebookProgress(Progress):
    """Bars in one output of a cell, written anew as they move. rich itself would need ipywidgets for it."""

    _PAUSE = 0.2
    """Seconds between two drawings."""

    def __init__(self) -> None:
        super().__init__(disable=True)
        self._output: Any = None
        self._drawn = 0.0

    def start(self) -> None:
        """Make the output."""
        from IPython.display import HTML, display

        self._output = display(HTML(self._page()), display_id=True)

    def stop(self) -> None:
        """Draw the end."""
        self.refresh()

    def update(self, *words: Any, **changes: Any) -> None:
        """As rich does it, and drawn now and then."""
        super().update(*words, **changes)
        self._now_and_then()

    def advance(self, *words: Any, **changes: Any) -> None:
        """As rich does it, and drawn now and then."""
        super().advance(*words, **changes)
        self._now_and_then()

    def refresh(self) -> None:
        """Draw all bars."""
        if self._output is not None:
            from IPython.display import HTML

            self._output.update(HTML(self._page()))
            self._drawn = time.monotonic()

    def _now_and_then(self) -> None:
        if time.monotonic() - self._drawn > self._PAUSE:
            self.refresh()

    def _page(self) -> str:
        lines = (
            f'<div>{escape(task.description)} <progress value="{task.completed:g}" max="{task.total or 1:g}">'
            f"</progress> {task.completed:g}/{task.total or 0:g}, {task.elapsed or 0:.0f} s</div>"
            for task in self.tasks
        )
        return "".join(lines)
