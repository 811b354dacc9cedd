"""A bar on standard error while something takes long; nothing where nobody watches."""

import sys

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


def bytes_progress() -> Progress:
    """For tasks that count bytes; shown on a terminal only, and gone at its end."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not sys.stderr.isatty(), transient=True)
