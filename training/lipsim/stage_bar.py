"""What is shown while a stage runs, on standard error."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class StageBar:
    """Steps, time left, the loss, and the last natural and certified score in percent."""

    def __init__(self, name: str, start: int, steps: int, shown: bool) -> None:
        columns = (TextColumn(name), BarColumn(12), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
        fields = (TextColumn("loss {task.fields[loss]:.3f}"), TextColumn("{task.fields[scores]}"))
        self._bar = Progress(*columns, *fields, console=Console(stderr=True), disable=not shown)
        self._task = self._bar.add_task(name, total=steps, completed=start, loss=float("nan"), scores="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, loss: float) -> None:
        """One step more, with its loss."""
        self._bar.update(self._task, advance=1, loss=loss)

    def scored(self, scores: dict[str, float]) -> None:
        """Show the natural and the certified score from now on."""
        self._bar.update(self._task, scores=" ".join(f"{n} {scores[n]:.1f}" for n in ("natural", "certified")))
