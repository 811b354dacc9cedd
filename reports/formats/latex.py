r"""Prints a report as LaTeX: a document for pdflatex, and each table as a file to \input inside a paper.

Tables have rules of booktabs, one column for numbers and one for intervals, and shrink where they
are wider than the line they stand in, so the same file fits a page and a column. Words are escaped: nothing from a
record can be a command, and pdflatex can set every sign.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from perceptbench.reports.base import Document, Figure, Table
from perceptbench.reports.cell import Cell, Number, Value
from perceptbench.reports.wording import distinct, file_stem

MOST_ROWS = 38
"""Lines that fit a page beside caption and notes; more go on in another table."""

_HEAD = r"""\documentclass[10pt,a4paper,landscape]{article}
\usepackage[T1]{fontenc}
\usepackage{lmodern,textcomp}
\usepackage[margin=18mm]{geometry}
\usepackage{array,booktabs,graphicx,longtable,float}
\floatplacement{table}{H}
\floatplacement{figure}{H}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\setlength{\emergencystretch}{4em}
\begin{document}
"""
_NEEDS = "% \\input this file inside a document that loads booktabs and graphicx (and T1 fonts for accents).\n"


def files(document: Document) -> dict[str, str]:
    """`report.tex`, and below `tables/` the tables that it inputs."""
    tables = [block for block in document.blocks if isinstance(block, Table) and not block.prose]
    stems = distinct([block.name or file_stem(block.title) for block in tables])
    found = {f"tables/{stem}.tex": fragment(block, stem) for block, stem in zip(tables, stems, strict=True)}
    names = iter(stems)
    parts = [_block(block, names) for block in document.blocks]
    opening = "\n\n".join(map(wording, document.opening))
    title = f"{{\\LARGE\\bfseries\\raggedright {text(document.title)}\\par}}"
    return {"report.tex": "\n\n".join([_HEAD + title, opening, *parts, "\\end{document}"]) + "\n", **found}


def _block(block: Table | Figure, names: Iterator[str]) -> str:
    if not isinstance(block, Table):
        return _figure(block)
    return _details(block) if block.prose else f"\\input{{tables/{next(names)}}}"


def fragment(content: Table, stem: str) -> str:
    r"""A floating table with caption, `\label{tab:STEM}` and notes; several where one page is too short."""
    rows = len(content.rows)
    # Parts of about the same length.
    step = -(-rows // max(1, -(-rows // MOST_ROWS))) or 1
    starts = range(0, max(1, rows), step)
    floats = [
        "\n".join(
            [
                "\\begin{table}",
                "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
                *(["\\addtocounter{table}{-1}"] if start else []),
                f"\\caption{{{wording(content.title)}{' (continued)' if start else ''}}}",
                *([] if start else [f"\\label{{tab:{stem}}}"]),
                _tabular(content, start, min(start + step, rows)),
                *(_notes(content.notes) if start == starts[-1] else []),
                "\\end{table}",
            ]
        )
        for start in starts
    ]
    return _NEEDS + "\n\n".join(floats) + "\n"


def _tabular(content: Table, start: int, stop: int) -> str:
    """Some rows, as wide as they are or as wide as the line, whichever is less."""
    kinds = [_kind(content, i) for i in range(len(content.columns))]
    heads = [
        f"\\multicolumn{{2}}{{c}}{{{wording(name)}}}" if kind == "interval" else wording(name)
        for name, kind in zip(content.columns, kinds, strict=True)
    ]
    lines = []
    for i in range(start, stop):
        if i in content.rules and i > start:
            lines.append("\\midrule")
        cells = (_cell(value, kind) for value, kind in zip(content.rows[i], kinds, strict=True))
        lines.append(" & ".join(cells) + r" \\")
    spec = "".join({"words": "l", "number": "r", "interval": r"r@{\ }l"}[kind] for kind in kinds)
    rows = "\n".join([f"\\begin{{tabular}}{{{spec}}}", "\\toprule", " & ".join(heads) + r" \\", "\\midrule", *lines])
    return (
        f"\\sbox8{{%\n{rows}\n\\bottomrule\n\\end{{tabular}}}}%\n"
        "\\ifdim\\wd8>\\linewidth\\resizebox{\\linewidth}{!}{\\usebox8}\\else\\usebox8\\fi"
    )


def _kind(content: Table, i: int) -> str:
    column = [row[i] for row in content.rows]
    if any(isinstance(value, Cell) for value in column):
        return "interval"
    return "words" if any(isinstance(value, str) for value in column) else "number"


def _cell(value: Value, kind: str) -> str:
    if isinstance(value, Cell):
        number, low, high = value.words
        mark = f"\\textsuperscript{{{text(value.mark)}}}" if value.mark else ""
        return f"{_signed(number)} & {{\\scriptsize[{_signed(low)}, {_signed(high)}]}}{mark}"
    words = "--" if value is None else _signed(str(value)) if isinstance(value, int | Number) else text(value)
    return f"{words} &" if kind == "interval" else words


def _signed(number: str) -> str:
    """A number with a true minus."""
    return number.replace("-", "$-$")


def _notes(notes: Sequence[str]) -> list[str]:
    words = "\\par ".join(map(wording, notes))
    return [f"\\par\\smallskip{{\\scriptsize\\raggedright\\emergencystretch=4em {words}\\par}}"] if notes else []


def _figure(content: Figure) -> str:
    caption = " ".join([f"{wording(content.title)}.", *map(wording, content.notes)])
    return "\n".join(
        [
            "\\begin{figure}",
            "\\centering",
            f"\\includegraphics[width=\\linewidth,height=0.6\\textheight,keepaspectratio]{{{content.name}}}",
            f"\\caption{{{caption}}}",
            f"\\label{{fig:{content.name}}}",
            "\\end{figure}",
        ]
    )


def _details(content: Table) -> str:
    """Sentences, wrapped, over as many pages as they take: a narrow first column and one for the rest."""
    rest = 0.74 / max(1, len(content.columns) - 1)
    widths = [0.2] + [rest] * (len(content.columns) - 1)
    spec = "".join(rf">{{\raggedright\arraybackslash}}p{{{width:.3f}\linewidth}}" for width in widths)
    heads = " & ".join(map(wording, content.columns)) + r" \\"
    lines = [" & ".join("--" if v is None else prose(str(v)) for v in row) + r" \\" for row in content.rows]
    return "\n".join(
        [
            "{\\scriptsize",
            f"\\begin{{longtable}}{{@{{}}{spec}@{{}}}}",
            f"\\multicolumn{{{len(widths)}}}{{@{{}}l}}{{\\normalsize\\bfseries {wording(content.title)}}} \\\\",
            "\\toprule",
            heads,
            "\\midrule",
            "\\endfirsthead",
            "\\toprule",
            heads,
            "\\midrule",
            "\\endhead",
            "\\bottomrule",
            "\\endfoot",
            *lines,
            "\\end{longtable}}",
            *map(wording, content.notes),
        ]
    )


_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    # Daggers, dashes, quotation marks, dots.
    "\u2020": r"\textdagger{}", "\u2021": r"\textdaggerdbl{}", "\u2013": r"\textendash{}", "\u2014": r"\textemdash{}",
    "\u00a7": r"\S{}", "\u2018": r"\textquoteleft{}", "\u2019": r"\textquoteright{}", "\u201c": r"\textquotedblleft{}",
    "\u00b6": r"\P{}", "\u201d": r"\textquotedblright{}", "\u2026": r"\textellipsis{}",
    "\u00b7": r"\textperiodcentered{}",
    # Signs of measurement and mathematics.
    "\u00d7": r"\texttimes{}", "\u00b1": r"\textpm{}", "\u00b0": r"\textdegree{}", "\u00b5": r"\textmu{}",
    "\u2264": r"\ensuremath{\le}", "\u2265": r"\ensuremath{\ge}", "\u221e": r"\ensuremath{\infty}",
    "\u03b4": r"\ensuremath{\delta}", "\u03b5": r"\ensuremath{\varepsilon}", "\u03c3": r"\ensuremath{\sigma}",
    "\u2113": r"\ensuremath{\ell}",
    # Letters that are no other letter with an accent.
    "\u00df": r"\ss{}", "\u00e6": r"\ae{}", "\u00c6": r"\AE{}", "\u0153": r"\oe{}", "\u0152": r"\OE{}",
    "\u00f8": r"\o{}", "\u00d8": r"\O{}", "\u0142": r"\l{}", "\u0141": r"\L{}",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "\\`", "\u0301": "\\'", "\u0302": "\\^", "\u0303": "\\~", "\u0304": "\\=", "\u0306": "\\u",
    "\u0307": "\\.", "\u0308": '\\"', "\u030a": "\\r", "\u030b": "\\H", "\u030c": "\\v", "\u0327": "\\c",
}  # fmt: skip
_OURS = re.compile(r"(?<![\w()-])(?:eps (?P<eps>\d+(?:[./]\d+)?)|(?P<word>eps|l2|l-infinity))(?![\w(-]|:\S)")
_MATHS = {"eps": r"$\varepsilon$", "l2": r"$\ell_2$", "l-infinity": r"$\ell_\infty$"}
_LATIN = "\u00c0-\u024f"
BREAK = r"\allowbreak{}"
LONGEST = 12
"""Letters of a word that need no place to break."""


def text(value: str) -> str:
    """Words from anywhere, made harmless. A sign that the fonts lack is given by its number, as U+4E2D."""
    words = "".join(map(_sign, unicodedata.normalize("NFC", " ".join(value.split()))))
    # Two of them would become another sign; behind the end of a line these two would be its argument.
    words = re.sub(r"([-,])(?=\1)", r"\1{}", words)
    return f"{{}}{words}" if words.startswith(("[", "*")) else words


def prose(value: str) -> str:
    """Words of a paragraph: the same, with places where long names may break."""
    return " ".join(_breakable(word) for word in value.split())


def wording(value: str) -> str:
    """Words of this program, such as headings: budgets and norms as mathematics, the rest as `prose`."""
    parts, end = [], 0
    for found in _OURS.finditer(value):
        maths = rf"$\varepsilon{{=}}{found['eps']}$" if found["eps"] else _MATHS[found["word"]]
        parts += [_between(value[end : found.start()]), maths]
        end = found.end()
    return "".join([*parts, _between(value[end:])]).strip()


def _between(value: str) -> str:
    """`prose` that keeps blanks at the ends."""
    return re.sub(r"\S+", lambda word: _breakable(word[0]), re.sub(r"\s+", " ", value))


def _breakable(word: str) -> str:
    word = unicodedata.normalize("NFC", word)
    if re.fullmatch(rf"[!-~{_LATIN}]{{1,{LONGEST}}}", word):
        return text(word)
    # A possible break after every sign that is no letter, and inside long words without one.
    pieces = re.findall(rf"[A-Za-z0-9{_LATIN}]{{1,{LONGEST}}}|.", word, re.DOTALL)
    gaps = (len(piece) in (1, LONGEST) for piece in pieces)
    return "".join(text(piece) + BREAK * gap for piece, gap in zip(pieces, gaps, strict=True)).removesuffix(BREAK)


def _sign(sign: str) -> str:
    if sign in _SIGNS:
        return _SIGNS[sign]
    if " " <= sign <= "~":
        return sign
    taken = unicodedata.normalize("NFD", sign)
    if len(taken) == 2 and taken[0].isascii() and taken[0].isalpha() and taken[1] in _ACCENTS:
        return f"{_ACCENTS[taken[1]]}{{{taken[0]}}}"
    return f"U+{ord(sign):04X}"
