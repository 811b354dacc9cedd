"""A progress bar on standard error for downloads and unpacking; nothing where that is no terminal."""

import sys

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


def bytes_progress() -> Progress:
    """For tasks that count bytes. It is shown on a terminal only and removed at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not sys.stderr.isatty(), transient=True)
