"""Prints a report as one HTML file that needs nothing beside it: no network, no other file.

Template, style and scripts lie in `reports/page`. Names from records reach the page as escaped text or as JSON
that cannot end its script element, and the page's own Content-Security-Policy admits only the scripts and
styles written here, by their SHA-256.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.base import Block, Cell, Chart, Document, Sheet, Table, Value
from reports.html_chart import chart_data, panel_table
from reports.html_sheet import sheet_rows

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = (
    "dom", "theme", "sort", "axes", "curves", "bars", "distribution", "scatter", "plot", "viewer",
)  # fmt: skip


def files(document: Document) -> dict[str, str]:
    """The report in one file."""
    style = _asset("style.css")
    # One module: its own scope, strict, and run when the document is there.
    script = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    page = _environment().get_template("page.html")
    text = page.render(
        document=document,
        sections=_sections(document.blocks),
        charts=[chart_data(block) for block in document.blocks if isinstance(block, Chart)],
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )
    return {"report.html": text}


@dataclass(frozen=True, slots=True)
class Section:
    """What is under one heading: a block, or neighbouring lists of facts that open when asked."""

    kind: str
    title: str
    blocks: tuple[Block, ...]


def _sections(blocks: Sequence[Block]) -> list[Section]:
    """Twenty runs are not twenty headings."""
    sections = []
    for kind, group in groupby(blocks, _kind):
        members = tuple(group)
        if kind == "facts":
            sections.append(Section(kind, "What was run", members))
        else:
            sections += [Section(kind, block.title, (block,)) for block in members]
    return sections


def _kind(block: Block) -> str:
    if isinstance(block, Chart):
        return "chart"
    if isinstance(block, Sheet):
        return "sheet"
    numbers = any(isinstance(value, int | float | Cell) for row in block.rows for value in row)
    return "table" if numbers or len(block.columns) != 2 else "facts"


def bodies(table: Table) -> list[tuple[tuple[Value, ...], ...]]:
    """Rows between the rules of a table: kinds that sorting must not mix."""
    ends = [0, *(rule for rule in table.rules if 0 < rule < len(table.rows)), len(table.rows)]
    return [table.rows[start:end] for start, end in pairwise(ends)]


def number(value: Value) -> str:
    """The number of a cell without its interval: one digit for percent, four for a distance, a dash for nothing."""
    if value is None:
        return "–"  # noqa: RUF001 - the sign a reader expects in an empty cell
    if isinstance(value, float):
        return f"{value:.1f}"
    if not isinstance(value, Cell):
        return str(value)
    return f"{value.value:{_form(value)}}{value.mark}"


def interval(cell: Cell) -> str:
    """`[59.9, 81.4]`"""
    return f"[{cell.low:{_form(cell)}}, {cell.high:{_form(cell)}}]"


def sort_key(value: Value) -> str:
    """What a column is sorted by: all digits of a number, a word as it is, nothing for an empty cell."""
    if isinstance(value, Cell):
        value = value.value
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _form(cell: Cell) -> str:
    return ".1f" if cell.unit == "percent" else ".4g"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # NaN is no JSON: a browser would refuse all of it.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {
        "bodies": bodies, "number": number, "interval": interval, "sort_key": sort_key,
        "panel_table": panel_table, "sheet_rows": sheet_rows,
    }  # fmt: skip
    environment.tests |= {
        "cell": lambda value: isinstance(value, Cell),
        "numeric": lambda value: value is None or isinstance(value, int | float | Cell),
    }
    return environment


@cache
def _asset(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Only this style and this script, images inside the file, and no connection to anywhere."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
