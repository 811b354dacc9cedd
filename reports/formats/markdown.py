"""Prints tables and charts as Markdown (GitHub's dialect)."""

import re

from perceptbench.reports.base import Document, Figure, Table
from perceptbench.reports.cell import Cell, Value


def text(value: str) -> str:
    """Words from a record, made harmless: no markup, no link, no new cell, no new line."""
    return re.sub(r"([\\`*_|<>&~$]|\](?=[(\[]))", r"\\\1", " ".join(value.split()))


def cell(value: Value) -> str:
    """One cell: `71.9 [59.9, 81.4]` for a score, four digits for a distance, a dash for nothing."""
    if value is None:
        return "-"
    if not isinstance(value, Cell):
        return text(str(value))
    number, low, high = value.words
    return f"{number} [{low}, {high}]{value.mark}"


def table(content: Table) -> str:
    """Title, rows and notes; columns of numbers are aligned to the right."""
    right = [
        bool(content.rows) and all(not isinstance(row[i], str) for row in content.rows)
        for i in range(len(content.columns))
    ]
    lines = [
        _line([text(column) for column in content.columns]),
        _line(["---:" if is_right else "---" for is_right in right]),
        *(_line([cell(value) for value in row]) for row in content.rows),
    ]
    return "\n\n".join([f"## {text(content.title)}", "\n".join(lines), *map(text, content.notes)])


def chart(content: Figure) -> str:
    """The picture, which lies beside the document, and its notes."""
    title = text(content.title)
    return "\n\n".join([f"## {title}", f"![{title}]({content.name}.png)", *map(text, content.notes)])


def files(document: Document) -> dict[str, str]:
    """The report in one file."""
    parts = [table(block) if isinstance(block, Table) else chart(block) for block in document.blocks]
    return {"report.md": "\n\n".join([f"# {text(document.title)}", *map(text, document.opening), *parts]) + "\n"}


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
