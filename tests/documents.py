"""A made-up document with every kind of block, names that try to be markup among them."""

import numpy as np

from perceptbench.reports.axes import Bars, Curve, Density, Distribution, Dots, HeatMap, Panel, Scatter
from perceptbench.reports.base import Chart, Document, Picture, Sheet, Table
from perceptbench.reports.cell import Cell, Number

HOSTILE = "<img src=x onerror=alert(1)>"
CLOSING = "</script><script>alert(2)</script>"
EPS = (0.0, 0.5, 1.0, 2.0)
ATTACKED = {
    "lipsim": (72.7, 68.2, 59.1, 47.7),
    "psnr": (50.0, 45.5, 43.2, 40.9),
    "effnet": (93.2, 4.5, 0.0, 0.0),
    HOSTILE: (62.5, 43.75, 18.75, 6.25),
    CLOSING: (80.0, 70.0, 60.0, 50.0),
}


def score(value: float, n: int = 44) -> Cell:
    """A score with an interval of five points to either side."""
    return Cell(value, max(0.0, value - 5), min(100.0, value + 5), n)


def leaderboard() -> Table:
    """Measured rows by score under attack, two published ones below a rule; one cell is empty."""
    ours = sorted(ATTACKED.items(), key=lambda item: -item[1][-1])
    rows = [
        (rank, name, score(scores[0]), score(scores[-1]) if name != "psnr" else None, "measured here")
        for rank, (name, scores) in enumerate(ours, 1)
    ]
    published = [
        (None, "LPIPS", Number(70.73, ".2f"), None, "published"),
        (None, "DISTS", Number(86.0, ".1f"), None, "published"),
    ]
    columns = ("rank", "metric", "natural", "after l2-aa", "source")
    return Table("Leaderboard", columns, (*rows, *published), ("A note.",), rules=(len(rows),))


def curves() -> Chart:
    """Curves under attack of every metric, and the proved one of lipsim."""
    found = [
        Curve(name, False, tuple(zip(EPS, map(score, scores), strict=True)), style)
        for style, (name, scores) in enumerate(ATTACKED.items())
    ]
    proved = Curve("lipsim", True, tuple(zip(EPS, map(score, (72.7, 61.4, 52.3, 45.5)), strict=True)), 0)
    return Chart("Robustness", "robustness", (Panel("photos, l2", "eps, l2 norm", (*found, proved)),), ("Solid.",))


def other_charts() -> list[Chart]:
    """Bars, histograms and a scatter plot."""
    random = np.random.default_rng(0)
    names = tuple(ATTACKED)
    cells = tuple(
        (score(scores[0]), score(scores[-1]) if name != "psnr" else None) for name, scores in ATTACKED.items()
    )
    bars = Bars("photos", "2AFC score, percent", names, ("natural", "attacked"), cells)
    densities = []
    for style, (name, centre) in enumerate((("lipsim", 0.2), (HOSTILE, 0.5))):
        heights, edges = np.histogram(random.normal(centre, 0.08, 200), bins=20, density=True)
        middle = (edges[1:] + edges[:-1]) / 2
        smooth = tuple(zip(middle.tolist(), heights.tolist(), strict=True))
        densities.append(Density(name, style, tuple(edges.tolist()), tuple(heights.tolist()), smooth, centre, 200))
    places = tuple((float(x), float(x + y)) for x, y in random.gamma(2, 0.5, (30, 2)))
    scatter = Scatter("photos", "certified radius", "smallest flip", (Dots("lipsim", 0, places[:20], places[20:]),))
    grid = tuple(tuple(score(10.0 * (row + 2 * column)) for column in range(4)) for row in range(4))
    heat = HeatMap("photos", "judged by", "found on", names[:4], names[1:], (*grid[:3], (None, *grid[3][1:])))
    return [
        Chart("Alignment", "bars", (bars,)),
        Chart("Distances", "densities", (Distribution("photos", "d(x, x + delta)", tuple(densities)),)),
        Chart("Distortion", "scatter", (scatter,)),
        Chart("Transfer", "heat", (heat,)),
    ]


def sheet() -> Sheet:
    """Two queries: an original, what an attack made of it, and the difference; one picture is missing."""
    random = np.random.default_rng(1)
    ramp = np.linspace(0, 200, 224)
    base = np.stack([np.add.outer(ramp, ramp) / 2, np.add.outer(ramp, -ramp) / 2 + 100, np.full((224, 224), 90.0)], -1)
    attacked = base + random.integers(-6, 7, base.shape)
    pictures = [np.clip(image, 0, 255).astype(np.uint8) for image in (base, attacked, 128 + 10 * (attacked - base))]
    first = tuple(Picture(pixels, f"{HOSTILE} number {i}") for i, pixels in enumerate(pictures))
    return Sheet(
        "What an attack does", "sheet", ("original", "attacked", "difference"), (first, (*first[:2], None)), (), "query"
    )


def everything() -> Document:
    """All of it, with two lists of facts."""
    facts = Table("Run 0123", ("what", "value"), (("metric", HOSTILE), ("attack", CLOSING)), prose=True)
    blocks = (leaderboard(), curves(), *other_charts(), sheet(), facts, facts)
    return Document(f"A report of {HOSTILE}", (f"First, {CLOSING}.",), blocks, ())
