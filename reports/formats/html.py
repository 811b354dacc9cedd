"""Prints a report as one HTML file that needs nothing beside it: no network, no other file.

Template, style and scripts lie in `reports/page`. Names from records reach the page as escaped text or as JSON
that cannot end its script element, and the page's own Content-Security-Policy admits only the scripts and
styles written here, by their SHA-256.
"""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from perceptbench.reports.base import Block, Chart, Document, Picture, Sheet
from perceptbench.reports.cell import Cell
from perceptbench.reports.formats import html_table
from perceptbench.reports.formats.html_chart import chart_data, panel_table

_PAGE = Path(__file__).parents[1] / "page"
_SCRIPTS = (
    "dom", "theme", "sort", "axes", "curves", "bars", "distribution", "scatter", "heat_map", "plot", "viewer",
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
    """Neighbouring lists of facts share one heading: twenty runs need no twenty headings."""
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
    return "facts" if block.prose else "table"


def sheet_rows(sheet: Sheet) -> list[list[tuple[str, Picture, str]]]:
    """(column, picture, data URI) of every picture there is, row by row."""
    return [
        [(column, picture, _data_uri(picture)) for column, picture in zip(sheet.columns, row, strict=True) if picture]
        for row in sheet.rows
    ]


def _data_uri(picture: Picture) -> str:
    """A picture as lossless WebP in base64; lossy ones smear just what an attack did."""
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels, "RGB").save(buffer, "WEBP", lossless=True, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("perceptbench.reports", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # NaN is no JSON: a browser would refuse all of it.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    tools = (html_table.bodies, html_table.heading_column, html_table.number, html_table.interval, html_table.sort_key)
    environment.filters |= {tool.__name__: tool for tool in (*tools, panel_table, sheet_rows)}
    environment.tests |= {"numeric": html_table.is_numeric, "cell": lambda value: isinstance(value, Cell)}
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
