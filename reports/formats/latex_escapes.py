"""Words as LaTeX: nothing from a record can be a command, and pdflatex can set every sign."""

import re
import unicodedata

_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    # Daggers, dashes, quotation marks, dots.
    "\u2020": r"\textdagger{}", "\u2021": r"\textdaggerdbl{}", "\u2013": r"\textendash{}", "\u2014": r"\textemdash{}",
    "\u2018": r"\textquoteleft{}", "\u2019": r"\textquoteright{}", "\u201c": r"\textquotedblleft{}",
    "\u201d": r"\textquotedblright{}", "\u2026": r"\textellipsis{}", "\u00b7": r"\textperiodcentered{}",
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
