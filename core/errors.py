"""The one exception a user is meant to read."""


class UserError(Exception):
    """Bad usage or bad input: the message says what was expected, what came and what to do.

    The command line prints it as one sentence and exits with status 2.
    """
