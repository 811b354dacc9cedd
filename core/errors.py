"""The exceptions that users read."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from perceptbench.core.printable import printable


class UserError(Exception):
    """Bad usage or bad input. The message says in one sentence what was expected, what came and what to do.

    The command line prints it and exits with status 2. Texts of others in it, names of files and columns for instance,
    are escaped where they would break the line or steer a terminal.
    """

    def __init__(self, words: str = "") -> None:
        super().__init__(printable(words))


class NoGradientError(UserError):
    """A metric that did not say so gives distances without a gradient."""


class UnsoundError(Exception):
    """An attack succeeded inside a radius that was called sound, so a proof or its code is wrong.

    Args:
        metric: the name of the metric.
        tensors: the counter-example: clean and changed images by name.
    """

    def __init__(self, message: str, metric: str, tensors: dict[str, Any]) -> None:
        super().__init__(message)
        self.metric = metric
        self.tensors = tensors


def sentence(error: Exception) -> str:
    """What an error says, with the notes that were added on its way: in which samples it was raised, for instance."""
    return "; ".join([str(error), *getattr(error, "__notes__", ())])


@contextmanager
def noted(words: str) -> Iterator[None]:
    """Add a note to what is raised inside: to which samples or metric it belongs."""
    try:
        yield
    except Exception as error:
        error.add_note(words)
        raise


class Notice(UserWarning):
    """Something a user should know, in one sentence. Commands print it on standard error."""


class LeftOutWarning(Notice):
    """A run or a plug-in that cannot be used and was left out. The message says in one sentence why, and what to do."""


def warn(sentence: str) -> None:
    """Say a sentence once for each place that raises it, by Python's warnings."""
    warnings.warn(sentence, Notice, stacklevel=3)
