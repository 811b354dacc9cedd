"""The exceptions a user is meant to read."""

from typing import Any


class UserError(Exception):
    """Bad usage or bad input: the message says what was expected, what came and what to do.

    The command line prints it as one sentence and exits with status 2.
    """


class UnsoundError(Exception):
    """A flip inside a radius that was called sound: a proof or its code is wrong.

    Args:
        metric: its name.
        tensors: the counter-example.
    """

    def __init__(self, message: str, metric: str, tensors: dict[str, Any]) -> None:
        super().__init__(message)
        self.metric = metric
        self.tensors = tensors


def sentence(error: Exception) -> str:
    """What an error says, with the notes that were added on its way: in which samples it was raised, for instance."""
    return "; ".join([str(error), *getattr(error, "__notes__", ())])
