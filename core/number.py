"""Numbers as they are typed, read within bounds: no text takes long to read, and no number is beyond what fits.

No torch here.
"""

import math
import re
from fractions import Fraction

MOST = 10**9
"""What an option may be at most where it states no bound: neither steps nor units come near it."""
MOST_SEED = 2**63 - 1
_RATIO = re.compile(r"\s*[+-]?[0-9]{1,18}/[0-9]{1,18}\s*")
_DECIMAL = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
"""Python also reads `1_0` as 10, and digits of other scripts."""
_LONGEST = 64


def number(text: str) -> float:
    """The number of `2`, `2.5e-3` or `36/255`. Raises ValueError for any other text, and for what is not finite."""
    if len(text) > _LONGEST:
        raise ValueError("too long for a number")
    ratio = _RATIO.fullmatch(text)
    if not (ratio or _DECIMAL.fullmatch(text)):
        raise ValueError("not a plain number")
    try:
        value = float(Fraction(text)) if ratio else float(text)
    except ZeroDivisionError as error:
        raise ValueError("a division by zero") from error
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value
