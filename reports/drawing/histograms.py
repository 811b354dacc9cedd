"""Histograms of several metrics over one scale, each with its kernel estimate."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from perceptbench.reports.axes import Distribution
from perceptbench.reports.drawing.style import colour, dress

SIZE = (5.6, 3.2)
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\")
_ROOM = 1.08


def draw(axis: Axes, panel: Distribution) -> None:
    """Transparent steps: several histograms can be seen at once. A kernel estimate may be cut off at the top."""
    for number, one in enumerate(panel.densities):
        ink, hatch = colour(one.style), _HATCHES[number % len(_HATCHES)]
        axis.stairs(
            one.heights, one.edges, fill=True, facecolor=(*ink, 0.25), edgecolor=(*ink, 0.6), hatch=hatch, lw=0.6
        )
        if one.smooth:
            axis.plot([x for x, _ in one.smooth], [y for _, y in one.smooth], color=ink, linewidth=1.4)
    top = max(height for one in panel.densities for height in one.heights)
    axis.set_ylim(0, top * _ROOM)
    axis.set_xlim(panel.densities[0].edges[0], panel.densities[0].edges[-1])
    dress(axis, panel.title, panel.x_label, "images, percent a bin")
    axis.legend(
        [_patch(one.style, number) for number, one in enumerate(panel.densities)],
        [f"{one.metric}, mean {one.mean:.3g}" for one in panel.densities],
        loc="upper right", frameon=False, fontsize=8,
    )  # fmt: skip


def key(panels: Sequence[Distribution]) -> list[tuple[Patch, str]]:
    """Nothing below the figure: every panel has names of its own."""
    return []


def _patch(style: int, number: int) -> Patch:
    ink = colour(style)
    return Patch(facecolor=(*ink, 0.25), edgecolor=ink, hatch=_HATCHES[number % len(_HATCHES)])
