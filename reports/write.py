"""A folder with the report: the document and the pictures beside it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from perceptbench.core.errors import UserError
from perceptbench.core.files import replaced_when_whole, write_atomically
from perceptbench.core.ref import Ref
from perceptbench.reports.base import Document, Format, Table, report
from perceptbench.reports.doubts import with_doubts
from perceptbench.reports.formats import csv as csv_files
from perceptbench.reports.formats import html, latex, markdown
from perceptbench.reports.newest import newest_runs
from perceptbench.reports.tables.headline import opening
from perceptbench.results.ledger import Ledger
from perceptbench.results.record import Record
from perceptbench.results.tasks.base import installed, task_name

TITLE = "Robustness of perceptual similarity metrics"

FORMATS: dict[str, Format] = {
    "md": markdown.files,
    "latex": latex.files,
    "html": html.files,
    "csv": csv_files.files,
}
DISAGREEING = (
    "Clean answers of these runs are not those of a newer run with the same metric and samples, so they share no "
    "evidence: the metric changed where no fingerprint sees it, or draws anew at each call: {}."
)
OUTDATED = "Proofs that do not bound the worst case, as a newer run of their certifier has other code: {}."
_SHOW = {"md", "latex"}
"""Formats that show pictures from files beside them; the page draws its own."""


def write_report(records: Sequence[Record], to: Path, formats: Sequence[str] = ("md",)) -> list[Path]:
    """Write the report in some formats, and the pictures that they show, into a folder; the paths written.

    Runs that newer ones replace are left out and named. Raises UserError where there is no run to
    report, for an unknown format, and where the folder cannot be written to.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise UserError(f"unknown report format {', '.join(unknown) or '(none)'}; known: {', '.join(FORMATS)}")
    done = [record for record in records if record.status == "done"]
    if not done:
        raise UserError("no finished run to report; first: bench run --metric lipsim --attack l2-aa --eps 2.0")
    known = [record for record in done if installed(record.task)]
    if not known:
        raise UserError(_not_installed(done))
    kept, replaced = newest_runs(known)
    reports = sorted((report.build(Ref(name)) for name in report.names()), key=lambda one: one.place)
    blocks = [with_doubts(block) for one in reports for block in one(_of_tasks(kept, one.tasks))]
    words = opening(kept)
    if replaced:
        words.append(f"Left out, as newer runs replace them: {', '.join(sorted(old.run for old in replaced))}.")
    if unknown_tasks := [record for record in done if not installed(record.task)]:
        words.append(_not_installed(unknown_tasks))
    ledger = Ledger(kept)
    if ledger.outdated:
        words.append(OUTDATED.format(", ".join(ledger.outdated)))
    if ledger.disagreeing:
        words.append(DISAGREEING.format(", ".join(ledger.disagreeing)))
    document = Document(TITLE, tuple(words), tuple(blocks), tuple(kept))
    try:
        return _write(document, to, formats)
    except OSError as error:
        raise UserError(
            f"cannot write the report to {to} ({error.strerror}); choose another folder with --to"
        ) from error


def _of_tasks(records: Sequence[Record], tasks: Sequence[str] | None) -> list[Record]:
    return [record for record in records if tasks is None or task_name(record.task) in tasks]


def _not_installed(records: Sequence[Record]) -> str:
    names = ", ".join(sorted(f"{record.run} ({record.task})" for record in records))
    return f"Left out, as their tasks are not installed here: {names}; install the plug-ins that they came from."


def _write(document: Document, to: Path, formats: Sequence[str]) -> list[Path]:
    from perceptbench.reports.formats.png_pdf import FORMS, save

    files = {name: text for form in dict.fromkeys(formats) for name, text in FORMATS[form](document).items()}
    shown = [block for block in document.blocks if not isinstance(block, Table)] if _SHOW & set(formats) else []
    pictures = {f"{block.name}.{form}": (block, form) for block in shown for form in FORMS}
    with replaced_when_whole(to) as folder:
        for name, (block, form) in pictures.items():
            write_atomically(folder / name, partial(save, block, form=form))
        for name, content in files.items():
            write_atomically(folder / name, partial(Path.write_text, data=content, encoding="utf-8"))
    return [to / name for name in (*files, *pictures)]
