"""How names, budgets and threats are written, the same in every table and picture."""

import re
from collections.abc import Iterable, Sequence

from perceptbench.core.ref import Ref
from perceptbench.results.record import Record
from perceptbench.results.rows import left_out

USUAL_SIDE = 224
"""Of images, in pixels, where a data set says nothing else."""
TRIPLET_TASKS = ("preference", "drift")
"""Tasks whose runs hold the 2AFC score on triplets: it is natural in both, and attacked in the first."""

NO_PROOF = "no proof"
"""In place of a certified score at an eps about which no certificate can say anything."""


def eps_text(eps: float) -> str:
    """A budget as people write it: 2, 0.5, 36/255."""
    short = f"{eps:.4g}"
    levels = round(eps * 255)
    if float(short) != eps and abs(eps * 255 - levels) < 1e-9:
        return f"{levels}/255"
    return short


def threat_label(threat: str) -> str:
    """A threat in a heading: l2, l-infinity, any other as it was typed."""
    return "l-infinity" if threat == "linf" else threat


def sample_word(record: Record) -> str:
    """What a sample of a run on triplets is called: drift also reads images alone."""
    return "triplet" if record.facts.get("answers", True) else "image"


def score_name(task: str) -> str:
    """What the score of a task is called in a heading."""
    return "2AFC score" if task == "preference" else f"{task} score"


def side_of(data: str) -> int:
    """The side of the images of a data set in pixels: as its name says, `bapps:PATH(side=64)`, else 224."""
    side = dict(Ref.parse(data).args).get("side", USUAL_SIDE)
    return side if isinstance(side, int) else USUAL_SIDE


def sizes_of(data: Iterable[str]) -> list[str]:
    """The sizes of images of some data sets, each once: `64 x 64`, `224 x 224`."""
    return [f"{side} x {side}" for side in sorted(set(map(side_of, data)))]


def eps_axis(norm: str | None, unit: str | None) -> str:
    """The label of an axis of budgets with its unit: that of a norm, or of another threat in its own words."""
    return f"eps, {threat_label(norm)} norm over all pixels in [0, 1]" if norm else f"eps, {unit}"


def unit_notes(records: Sequence[Record]) -> tuple[str, ...]:
    """What eps is measured in, a sentence for each threat that is no lp ball; headings name the norm of those."""
    units = {record.threat: record.eps_unit for record in records if record.norm is None}
    return tuple(f"eps of {threat}: {unit}." for threat, unit in sorted(units.items()))


def left_out_notes(records: Sequence[Record]) -> tuple[str, ...]:
    """A sentence for each metric that does not answer for every sample, with how many it leaves out."""
    found = {(record.spec["metric"], record.samples["id"].nunique()): left_out(record) for record in records}
    names = labels(metric for metric, _ in found)
    return tuple(
        f"{names[metric]} does not answer for the images of {count} of {n} samples, which are in none of its scores."
        for (metric, n), count in sorted(found.items())
        if count
    )


def table_stem(kind: str, task: str, threat: str, data: str) -> str:
    """The file name of a table of scores; the task is part of it where there is more than one of that kind."""
    return "_".join((kind, *([] if task in TRIPLET_TASKS else [file_stem(task)]), file_stem(threat), file_stem(data)))


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
