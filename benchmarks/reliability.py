"""The table of docs/reliability.md: what each campaign tried last, and what failed."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
HEAD = "| campaign | what is tried | cases | failures | seconds | date | commit |"


@dataclass(frozen=True, slots=True)
class Line:
    """One row: `failures` counts cases of a fuzz or fault campaign, or violated certificates."""

    campaign: str
    what: str
    cases: int
    failures: int
    seconds: float

    def text(self, date: str, commit: str) -> str:
        """As a row of the table."""
        numbers = f"{self.cases:,} | {self.failures:,} | {self.seconds:.0f}"
        return f"| {self.campaign} | {self.what} | {numbers} | {date} | {commit} |"


def keep(lines: Sequence[Line], page: Path = PAGE) -> None:
    """Write rows into the table of the page: those of the same campaign and subject are replaced, others stay.

    A subject of which nothing was tried has no row.

    Raises UserError for a page without the marks of its table.
    """
    text = page.read_text(encoding="utf-8")
    found = re.fullmatch(f"(.*{BEGIN}\n)(.*?)({END}\n.*)", text, re.DOTALL)
    if found is None:
        raise UserError(f"expected a table between {BEGIN} and {END} in {page}; restore it from the repository")
    before, table, after = found.groups()
    lines = [line for line in lines if line.cases]
    replaced = {f"| {line.campaign} | {line.what} |" for line in lines}
    rows = [row for row in table.splitlines()[2:] if not row.startswith(tuple(replaced))]
    date, commit = datetime.now(UTC).date().isoformat(), commit_of(ROOT)
    rows += [line.text(date, commit) for line in lines]
    made = "\n".join([HEAD, "|---|---|---:|---:|---:|---|---|", *sorted(rows)])
    content = f"{before}{made}\n{after}"
    write_atomically(page, lambda part: part.write_text(content, encoding="utf-8"))


def commit_of(folder: Path) -> str:
    """The short id of the commit that is checked out, with `+` where files differ from it; `-` without git."""
    words = ("git", "-C", str(folder), "describe", "--always", "--dirty=+", "--exclude=*")
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return "-"
    return done.stdout.strip()
