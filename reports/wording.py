"""How names, budgets and norms are written, the same in every table and picture."""

import re
from collections.abc import Iterable, Sequence

NORMS = {"l2": "l2", "linf": "l-infinity"}


def eps_text(eps: float) -> str:
    """A budget as people write it: 2, 0.5, 36/255."""
    short = f"{eps:.4g}"
    levels = round(eps * 255)
    if float(short) != eps and abs(eps * 255 - levels) < 1e-9:
        return f"{levels}/255"
    return short


def eps_axis(norm: str) -> str:
    """The label of an axis of budgets, with its unit."""
    return f"eps, {NORMS.get(norm, norm)} norm over all pixels in [0, 1]"


def labels(names: Iterable[str]) -> dict[str, str]:
    """Names without the folders of their files, each one different; in full where it would not be.

    `nights:/data/nights@test` becomes `nights:nights@test`: where a file lay on one machine says
    nothing, and its SHA-256 is among the notes of the run.
    """
    unique = list(dict.fromkeys(names))
    short = {name: re.sub(r"(?<=[:=])(?!\d+/\d)[^:=,()]*/(?=[^/])", "", name) for name in unique}
    taken = list(short.values())
    return {name: label if taken.count(label) == 1 else name for name, label in short.items()}


def file_stem(text: str) -> str:
    """A word that is safe as a file name everywhere."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"


def distinct(stems: Sequence[str]) -> list[str]:
    """The same file names, a number behind each that stood before: data sets may differ in signs no name holds."""
    return [stem if stem not in stems[:i] else f"{stem}-{stems[: i + 1].count(stem)}" for i, stem in enumerate(stems)]
