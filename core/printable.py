"""Names of files as text that can be printed, stored and read again: file systems allow any bytes in them."""

import re
from io import TextIOWrapper

_BYTES = re.compile("[\udc80-\udcff]")
"""What Python makes of bytes in a file name that are not UTF-8."""
_NOWHERE = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")


def printable(text: str) -> str:
    r"""The same text, with an escape for each sign that cannot be printed.

    The byte E9 of a Latin-1 name becomes `\xe9`, a line break `\n`, and a sign that turns the direction of writing
    `\u202e`. Any other text stays as it is.
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else _escape(sign) for sign in text)


def possible_in_names(text: str) -> bool:
    """Whether the name of a file may hold this text: no NUL, and of surrogates only those that stand for bytes."""
    return not _NOWHERE.search(text)


def printable_lines(text: str) -> str:
    """Lines of such text."""
    return "\n".join(map(printable, text.split("\n")))


def never_fail(*streams: object) -> None:
    """Let text streams escape what their encoding lacks: on an ASCII terminal a name must not end a run."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _escape(sign: str) -> str:
    if _BYTES.match(sign):
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign.encode("unicode_escape").decode("ascii")
