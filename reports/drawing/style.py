"""One look for every figure: colours that colour-blind readers and grey printers tell apart, small plain type."""

from typing import Any

import seaborn
from matplotlib.axes import Axes

# Without its yellow and its light pink, which are too faint on white paper.
_COLOURS = [seaborn.color_palette("colorblind", 10)[i] for i in (0, 1, 2, 3, 4, 5, 7, 9)]
_MARKERS = "osD^vP*X<"

INK = "0.2"
FAINT = "0.55"
GRID = "0.75"
SMALL, NORMAL = 8, 9


def colour(style: int) -> tuple[float, float, float]:
    """The colour of a metric, by its number in the report."""
    red, green, blue = _COLOURS[style % len(_COLOURS)]
    return red, green, blue


def marker(style: int, hollow: bool = False) -> dict[str, Any]:
    """Its marker; hollow ones stay apart from full ones even where they lie on each other."""
    return {
        "marker": _MARKERS[style % len(_MARKERS)],
        "markersize": 4 if hollow else 5,
        "markerfacecolor": "white" if hollow else colour(style),
    }


def ramp(n: int) -> list[tuple[float, float, float]]:
    """Colours of n kinds, light to dark, so that they also differ in grey."""
    map_ = seaborn.color_palette("crest", as_cmap=True)
    return [map_(0.5 if n == 1 else number / (n - 1))[:3] for number in range(n)]


def dress(axis: Axes, title: str, x_label: str, y_label: str) -> None:
    """Words and frame, the same everywhere; names from records are never read as formulas."""
    axis.set_title(title, fontsize=NORMAL + 1, loc="left", parse_math=False)
    axis.set_xlabel(x_label, fontsize=NORMAL, parse_math=False)
    axis.set_ylabel(y_label, fontsize=NORMAL, parse_math=False)
    axis.tick_params(labelsize=SMALL)
    axis.spines[["top", "right"]].set_visible(False)
