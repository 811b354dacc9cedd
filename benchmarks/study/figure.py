"""The frontier: natural score against certified score, a row of panels for each data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.study.grid import BASELINE
from benchmarks.study.measure import EPS
from benchmarks.study.published import LIPSIM
from benchmarks.study.shipped import shipped
from perceptbench.core.files import write_atomically
from perceptbench.reports.drawing.curves import spread

NAMES = {EPS[0]: "108/255", EPS[1]: "1.0"}
_PANEL = (4.4, 3.9)
_INK, _FAINT = "0.2", "0.55"
_SMALL, _NORMAL = 7, 9
_GAP = 4.0
_PAPERS = "nights"
_SHAPES = "osD^vP"
_SHIPPED: dict[str, Any] = {"marker": "*", "color": "white", "markeredgecolor": "black", "markersize": 13, "zorder": 4}


def points(table: pd.DataFrame, data: str, eps: float) -> pd.DataFrame:
    """One line an entry: natural and certified score at eps with their intervals, in percent."""
    here = table[table["data"] == data]
    at = here[(here["kind"] == "certified") & np.isclose(here["eps"].astype(float), eps)]
    natural = here[here["kind"] == "natural"]
    joined = natural.merge(at, on=["entry", "question"], suffixes=("", "_certified"))
    return joined.rename(columns={"score": "natural", "score_certified": "certified"})


def frontier(found: pd.DataFrame) -> pd.DataFrame:
    """The entries that none other matches in one score and beats in the other, from low to high natural score."""
    scores = list(zip(found["natural"], found["certified"], strict=True))
    best = [not any(_beats(other, own) for other in scores) for own in scores]
    return found[best].sort_values(by="natural")


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] >= other[0] and one[1] >= other[1]


def draw(table: pd.DataFrame, path: Path) -> None:
    """Write the figure as PNG: the same bytes for the same table and matplotlib."""
    data = list(dict.fromkeys(table["data"]))
    figure = Figure(figsize=(_PANEL[0] * len(EPS), _PANEL[1] * len(data) + 0.5), layout="constrained")
    axes = figure.subplots(len(data), len(EPS), squeeze=False)
    questions = [q for q in dict.fromkeys(table["question"]) if q != BASELINE]
    for row, name in zip(axes, data, strict=True):
        for axis, eps in zip(row, EPS, strict=True):
            paper = eps == EPS[0] and (name == _PAPERS or _PAPERS not in data)
            _panel(axis, points(table, name, eps), questions, f"{name}, certified at {NAMES[eps]}", paper)
            if ours := shipped(name, eps):
                axis.plot(*ours, linestyle="none", **_SHIPPED)
                axis.set_xlim(right=min(100, max(axis.get_xlim()[1], ours[0] + 3)))
    _key(figure, questions)
    canvas = FigureCanvasAgg(figure)
    write_atomically(
        path, lambda part: canvas.print_figure(part, dpi=200, format="png", metadata={"Software": None})
    )  # fmt: skip


def _panel(axis: Axes, found: pd.DataFrame, questions: Sequence[str], title: str, published: bool) -> None:
    axis.plot([0, 100], [0, 100], color="0.8", linewidth=0.8, zorder=0)
    front = frontier(found)
    axis.plot(front["natural"], front["certified"], color=_FAINT, linewidth=0.9, linestyle=":", zorder=1)
    for question, group in found.groupby("question"):
        style = _style(str(question), questions)
        axis.plot(group["natural"], group["certified"], linestyle="none", clip_on=False, **style)
    _interval(axis, found[found["question"] == BASELINE])
    # Heights of the names are moved apart where their points crowd.
    heights = spread(front["certified"].tolist(), _GAP)
    for name, x, y in zip(front["entry"], front["natural"], heights, strict=True):
        axis.annotate(name, (x, y), (6, 4), textcoords="offset points", fontsize=_SMALL, color=_INK, parse_math=False)
    if published:
        theirs = [p.natural for p in LIPSIM], [p.certified for p in LIPSIM]
        axis.plot(*theirs, linestyle="none", marker="x", color=_INK, markersize=5, markeredgewidth=1.1)
    _dress(axis, found, title, published)


def _interval(axis: Axes, baseline: pd.DataFrame) -> None:
    """A cross of 95 % intervals at the default alone: at every point it would hide them all."""
    for _, point in baseline.iterrows():
        across, up = (point["natural"], point["certified"])
        axis.plot([point["low"], point["high"]], [up, up], color="black", linewidth=0.8, zorder=1)
        axis.plot(
            [across] * 2, [point["low_certified"], point["high_certified"]], color="black", linewidth=0.8, zorder=1
        )


def _dress(axis: Axes, found: pd.DataFrame, title: str, published: bool) -> None:
    theirs = [p.natural for p in LIPSIM] if published else []
    shown = [*found["natural"], *found["low"].dropna(), *found["high"].dropna(), *theirs]
    axis.set_xlim(min(shown) - 3, min(100, max(shown) + 3))
    lowest = min([*found["certified"], *(p.certified for p in LIPSIM if published)])
    axis.set_ylim(max(0, lowest - 8), 100)
    axis.set_title(title, fontsize=_NORMAL, loc="left", parse_math=False)
    axis.set_xlabel("natural 2AFC score, percent", fontsize=_NORMAL)
    axis.set_ylabel("certified score, percent", fontsize=_NORMAL)
    axis.tick_params(labelsize=_SMALL + 1)
    axis.spines[["top", "right"]].set_visible(False)


def _style(question: str, questions: Sequence[str]) -> dict[str, Any]:
    """Colour and shape say the same, so that print without colour loses nothing."""
    if question == BASELINE:
        return {"marker": "*", "color": "black", "markersize": 12, "zorder": 4}
    palette = [seaborn.color_palette("colorblind", 10)[i] for i in (0, 1, 2, 3, 4, 7)]
    at = questions.index(question)
    colour = palette[at % len(palette)]
    return {
        "marker": _SHAPES[at % len(_SHAPES)],
        "color": colour,
        "markersize": 6,
        "markeredgecolor": "white",
        "zorder": 3,
    }


def _key(figure: Figure, questions: Sequence[str]) -> None:
    marks = [(Line2D([], [], linestyle="none", **_style(q, questions)), q) for q in (BASELINE, *questions)]
    marks.append((Line2D([], [], linestyle="none", **_SHIPPED), "shipped: trained longer (reference run)"))
    marks.append((Line2D([], [], linestyle="none", marker="x", color=_INK), "published, other data (LipSim, table 2)"))
    marks.append((Line2D([], [], color=_FAINT, linestyle=":"), "best of these"))
    marks.append((Line2D([], [], color="0.8"), "all answers proved"))
    marks.append((Line2D([], [], color="black", linewidth=0.8), f"95 % interval of {BASELINE}"))
    figure.legend(
        [line for line, _ in marks], [text for _, text in marks], loc="outside lower center", ncols=4, frameon=False,
        fontsize=_SMALL + 1,
    )  # fmt: skip
