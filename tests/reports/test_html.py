"""The page as text: complete in itself, hashed, and deaf to what names try. Behaviour is tested in test_page.py."""

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from documents import ATTACKED, CLOSING, HOSTILE, curves, everything, leaderboard, sheet
from PIL import Image

from perceptbench.reports.base import Chart, Document, Table
from perceptbench.reports.cell import Cell, Number
from perceptbench.reports.formats import html, html_table
from perceptbench.reports.write import write_report


class _Page(HTMLParser):
    """Tags with their attributes, and the text directly inside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in self.raw else None

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside].append(data)
        else:
            self.words.append(data)


@pytest.fixture(scope="module")
def text() -> str:
    return html.files(everything())["report.html"]


@pytest.fixture(scope="module")
def page(text: str) -> _Page:
    return _Page(text)


def test_only_the_styles_and_scripts_that_ship_are_admitted(page: _Page) -> None:
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    data, program = page.raw["script"]
    assert [a["type"] for tag, a in page.tags if tag == "script"] == ["application/json", "module"]
    for name, content in (("script-src", program), ("style-src", page.raw["style"][0])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert directives[name] == f"'sha256-{digest}'"
    assert directives["default-src"] == "'none'"
    assert directives["img-src"] == "data:"
    assert json.loads(data)


def test_nothing_is_asked_for_outside_the_file(page: _Page) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            if value := attributes.get(name):
                assert value.startswith("#" if tag == "a" else "data:image/webp;base64,"), (tag, name)
        assert not any(name.startswith("on") or name == "style" for name in attributes), attributes
    assert not re.search(r"url\(|@import|@font-face", page.raw["style"][0])
    assert not re.search(r"\bfetch\(|XMLHttpRequest|\bimport\b|innerHTML|\beval\(", page.raw["script"][1])
    assert {tag for tag, _ in page.tags} & {"link", "iframe", "object", "form", "base"} == set()


def test_names_stay_words(page: _Page) -> None:
    words = "\n".join(page.words)
    assert HOSTILE in words
    assert CLOSING in words
    # The pictures of the sheet and two scripts, and none that a name wrote.
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 5
    assert len(page.raw["script"]) == 2
    charts = json.loads(page.raw["script"][0])
    assert {curve["name"] for curve in charts[0][0]["curves"]} == set(ATTACKED)


def test_links_lead_somewhere_and_ids_are_unique(page: _Page) -> None:
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name in ("href", "aria-labelledby"):
            if value := attributes.get(name):
                assert value.removeprefix("#") in ids


def test_the_same_report_is_the_same_bytes(text: str) -> None:
    assert html.files(everything())["report.html"] == text


def test_drawn_numbers_are_those_of_the_record(four_metrics, tmp_path) -> None:
    paths = write_report(four_metrics, tmp_path, ("html",))
    assert paths[0].name == "report.html"
    charts = json.loads(_Page(paths[0].read_text(encoding="utf-8")).raw["script"][0])
    (panel,) = next(panels for panels in charts if panels[0]["kind"] == "curves")
    samples = four_metrics[0].samples
    for proved in (False, True):
        curve = next(c for c in panel["curves"] if c["name"] == "lipsim" and c["proved"] is proved)
        for point in curve["points"][1:]:
            at = samples[samples["eps"] == point["x"]]
            survived = at["radius"] > point["x"] if proved else at["robust"]
            assert point["y"] == pytest.approx(100 * survived.mean())
            assert point["text"] == f"{100 * survived.mean():.1f}"
            assert point["low"] < point["y"] < point["high"]
    assert panel["stops"] == [[0.0, "0"], [0.5, "0.5"], [1.0, "1"], [2.0, "2"], [3.0, "3"]]


def test_halves_are_rounded_as_in_every_other_format() -> None:
    """6.25 is 6.2 in Python and 6.3 in a browser, so the page brings its words along."""
    data = html.files(Document("t", (), (curves(),), ()))["report.html"]
    panel = json.loads(_Page(data).raw["script"][0])[0][0]
    hostile = next(curve for curve in panel["curves"] if curve["name"] == HOSTILE)
    assert [point["text"] for point in hostile["points"]] == ["62.5", "43.8", "18.8", "6.2"]


def test_pictures_are_lossless(page: _Page) -> None:
    sources = [a["src"] or "" for tag, a in page.tags if tag == "img"]
    wanted = [picture.pixels for row in sheet().rows for picture in row if picture is not None]
    for source, pixels in zip(sources, wanted, strict=True):
        shown = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
        np.testing.assert_array_equal(np.asarray(shown), pixels)


def test_published_rows_have_a_body_of_their_own() -> None:
    table = leaderboard()
    measured, published = html_table.bodies(table)
    assert (len(measured), len(published)) == (len(ATTACKED), 2)
    assert measured + published == table.rows
    assert html_table.bodies(Table("t", ("a",), (("x",),), rules=(0, 1))) == [(("x",),)]


def test_words_of_cells() -> None:
    cell = Cell(6.25, 1.11, 28.31, 16, mark="†")
    assert (html_table.number(cell), html_table.interval(cell), html_table.sort_key(cell)) == (
        "6.2†", "[1.1, 28.3]", "6.25",
    )  # fmt: skip
    distance = Cell(0.0123456, 0.01, 0.02, 64, unit="distance")
    assert (html_table.number(distance), html_table.sort_key(distance)) == ("0.01235", "0.0123456")
    assert (html_table.number(Number(70.734, ".2f")), html_table.sort_key(Number(70.734, ".2f"))) == ("70.73", "70.734")
    assert html_table.number(7) == html_table.sort_key(7) == "7"
    assert html_table.sort_key(None) == ""
    assert html_table.heading_column(leaderboard()) == 1


def test_a_chart_without_a_number_is_refused_as_it_would_break_the_page() -> None:
    (panel,) = curves().panels
    broken = Chart("t", "n", (type(panel)(panel.title, float("nan"), panel.curves),))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="JSON"):
        html.files(Document("t", (), (broken,), ()))
