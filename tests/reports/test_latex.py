"""LaTeX that pdflatex takes as it is, alone and inside a paper, whatever the names in it are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from perceptbench.core.ref import Ref
from perceptbench.reports.base import Document, Table, report
from perceptbench.reports.cell import Cell, Number
from perceptbench.reports.formats import latex
from perceptbench.reports.formats.latex import prose, text, wording
from perceptbench.reports.tables.headline import opening

needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="needs pdflatex: apt-get install texlive-latex-base texlive-latex-recommended texlive-fonts-recommended",
)

HOSTILE = (
    "_%&#{}~^\\$ \\input{/etc/passwd} \\end{document} --,,'\"`<>|[*] "
    "\u2020\u2021\u2013\u2014 \u00e9\u00df\u4e2d\u0301\u200b"
)
PAPER = r"""\documentclass[%s]{article}
\usepackage[T1]{fontenc}
\usepackage{lmodern,booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def compiled(folder: Path, name: str) -> str:
    """The log of pdflatex, run so that it can call no program; it fails the test where LaTeX does."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300)
    log = (folder / name).with_suffix(".log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-2000:]
    return log


def complaints(log: str) -> list[str]:
    """Boxes that stick out, floats higher than a page, and signs that a font lacks."""
    return re.findall(r"^.*(?:Overfull|Float too large|Missing character|Undefined).*$", log, re.MULTILINE)


@pytest.fixture
def runs(make_record):
    """Real and hostile names, many metrics, two norms, published numbers beside them, every kind of table."""
    data = "nights:x@test"
    return [
        make_record("lipsim", run="a" * 12, data=data),
        make_record(HOSTILE, run="b" * 12, data=data),
        make_record(
            "py:/long/" + "verylongname" * 6 + ".py:Mine", run="c" * 12, data=data, certifier="paper", sound=False
        ),
        make_record("psnr", run="d" * 12, data=data, norm="linf", attack="linf-aa", eps=(2 / 255, 8 / 255)),
        make_record("ssim", run="e" * 12, attack="l2-mse", unit="distance", certifier=None),
        *(make_record(f"metric{i}", run=f"{i:012x}", data=HOSTILE, n=8, eps=(1.0,)) for i in range(45)),
    ]


@needs_latex
def test_the_document_and_each_table_compile_and_nothing_sticks_out(runs, tmp_path) -> None:
    reports = sorted((report.build(Ref(name)) for name in report.names()), key=lambda one: one.place)
    blocks = tuple(block for one in reports if "preference" in (one.tasks or ["preference"]) for block in one(runs))
    made = latex.files(Document("A title", tuple(opening(runs)), blocks, tuple(runs)))
    (tmp_path / "tables").mkdir()
    for name, content in made.items():
        (tmp_path / name).write_text(content, encoding="ascii")
    for block in blocks:
        if not isinstance(block, Table):
            Image.new("RGB", (60, 40)).save(tmp_path / f"{block.name}.png")
    assert complaints(compiled(tmp_path, "report.tex")) == []
    tables = sorted((tmp_path / "tables").glob("*.tex"))
    assert len(tables) >= 12
    inputs = "\n".join(f"\\input{{tables/{path.stem}}}\\clearpage" for path in tables)
    for options in ("a4paper", "twocolumn"):
        (tmp_path / "paper.tex").write_text(PAPER % (options, inputs))
        assert complaints(compiled(tmp_path, "paper.tex")) == []


@needs_latex
def test_every_sign_can_be_set(tmp_path) -> None:
    """All of Latin, Greek and punctuation, and some of the rest: a sign without a font would stop pdflatex."""
    signs = [
        chr(i)
        for i in (*range(0x20, 0x250), *range(0x370, 0x400), *range(0x2010, 0x2070), 0x2113, 0x2264, 0x4E2D, 0x1F600)
    ]
    lines = [f"{text(sign)}{prose(sign)}{wording(sign)}" for sign in signs]
    (tmp_path / "paper.tex").write_text(PAPER % ("10pt", "\n\n".join(lines)), encoding="ascii")
    assert complaints(compiled(tmp_path, "paper.tex")) == []


@given(st.text(st.characters(), max_size=40))
def test_no_word_can_be_a_command(words: str) -> None:
    """What is left when our own commands are taken out holds none of LaTeX's special signs, and is ASCII."""
    for form in (text, prose):
        printed = form(words)
        left = re.sub(
            r"\\(?:[a-zA-Z]+\{\}|ensuremath\{\\[a-z]+\}|[`'^~=.\"uHvcr]\{[a-zA-Z]\}|[{}$&#%_])|\{\}", "", printed
        )
        assert not re.search(r"[\\{}$&#%_~^]", left), printed
        assert printed.isascii()
        assert not re.search("--|,,", printed)


def test_how_words_look() -> None:
    assert text("a_b 50% \u2020") == r"a\_b 50\% \textdagger{}"
    assert (text("--goal"), text("---,,,")) == ("-{}-goal", "-{}-{}-,{},{},")
    assert text("[x]") == "{}[x]"
    assert text("\u00e9 \u4e2d") == r"\'{e} U+4E2D"
    assert wording("after l2-aa, l2 eps 0.5 and eps") == r"after l2-aa, $\ell_2$ $\varepsilon{=}0.5$ and $\varepsilon$"
    assert wording("eps 2: l2:x l2(y) eps: z") == r"$\varepsilon{=}2$: l2:x l2(y) $\varepsilon$: z"
    assert prose("short verylongname_12345") == r"short verylongname\allowbreak{}\_\allowbreak{}12345"


def test_a_table_keeps_value_interval_and_rule_apart() -> None:
    table = Table(
        "Scores",
        ("metric", "n", "eps 1", "source"),
        (("a", 4, Cell(50, 15.0, 85.0, 4, mark="\u2020"), "measured"), ("b", 9, Number(1.25, ".2f"), "published: x")),
        notes=("Said.",),
        rules=(1,),
    )
    printed = latex.fragment(table, "scores")
    lines = printed.splitlines()
    assert r"\begin{tabular}{lrr@{\ }ll}" in lines
    assert r"metric & n & \multicolumn{2}{c}{$\varepsilon{=}1$} & source \\" in lines
    assert r"a & 4 & 50.0 & {\scriptsize[15.0, 85.0]}\textsuperscript{\textdagger{}} & measured \\" in lines
    assert lines[lines.index(r"b & 9 & 1.25 & & published: x \\") - 1] == r"\midrule"
    assert r"\label{tab:scores}" in lines


def test_long_tables_go_on_under_the_same_number_and_equal_names_stay_apart() -> None:
    table = Table("Long", ("n",), tuple((i,) for i in range(latex.MOST_ROWS + 2)), notes=("Said.",))
    made = latex.files(Document("t", (), (table, table), ()))
    assert list(made) == ["report.tex", "tables/long.tex", "tables/long-2.tex"]
    printed = made["tables/long.tex"]
    assert printed.count(r"\begin{table}") == 2
    assert printed.count(r"\label") == printed.count("Said.") == printed.count(r"\addtocounter{table}{-1}") == 1
    assert [int(i) for i in re.findall(r"^(\d+) \\\\$", printed, re.MULTILINE)] == list(range(latex.MOST_ROWS + 2))
    assert made["report.tex"].index("tables/long}") < made["report.tex"].index("tables/long-2}")
