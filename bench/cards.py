"""The card of every metric, as it is declared: the rows of `bench list metrics` and the page docs/metrics.md.

`python -m perceptbench.bench.cards docs/metrics.md` writes the page again.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from perceptbench.core.card import About, Card
from perceptbench.core.fetch.declared import Weights
from perceptbench.metrics.base import LipschitzMetric, Metric, metric
from perceptbench.metrics.hashes.provable import ProvableHash

NONE = "-"
_PAGE = """# Metrics

Written by `python -m perceptbench.bench.cards docs/metrics.md` from the declarations in `metrics/`: change those.
`bench list metrics` adds whether packages and weights are on this machine.

- **M**: parameters of the networks that run, in millions.
- **GMAC**: multiply-adds for one image at 224 x 224 once the images it is compared with are prepared, in 10^9.
- **side**: the side in pixels to which images are brought inside the metric; `-` where any size is taken as it is.
- **original**: whether the original's number is a distance or a similarity. Here every metric is a distance.
- **proved by**: the certifier whose radii bind the metric itself. For any metric `smoothing`, and for those with
  embeddings `center-smoothing`, bind a smoothed vote, which is another classifier.
- **NIGHTS**: natural 2AFC score on the NIGHTS test split in percent, as published.

## What they are

{facts}

## Where they come from

{sources}

## Weights

Looked for in the folder `$PERCEPTBENCH_WEIGHTS`, in the installed package, in the cache of torch or of the Hugging Face
hub, and in our own; then fetched over HTTPS where the source offers a plain file. A SHA-256 is the one that the
publisher states, or the first digits of it. Where none is stated, that of the first use is recorded
and checked from then on.

{weights}
"""


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """The facts of one metric as texts for tables; `-` where a fact is missing."""

    name: str
    card: Card
    about: About

    @property
    def kind(self) -> type[Metric]:
        """The class that its factory makes, as far as the factory states it."""
        factory: Any = metric.factory(self.name)
        made = factory if isinstance(factory, type) else _stated(factory)
        return made if isinstance(made, type) and issubclass(made, Metric) else Metric

    @property
    def size(self) -> tuple[str, str, str]:
        """Parameters in millions, multiply-adds in 10^9, side."""
        about = self.about
        return (
            f"{about.parameters:.4g}" if about.parameters else NONE,
            f"{about.gmac:.3g}" if about.gmac else NONE,
            str(about.side or NONE),
        )

    @property
    def proved_by(self) -> str:
        """The certifier whose radii bind the metric itself."""
        if issubclass(self.kind, ProvableHash):
            return "hash"
        return "margin" if issubclass(self.kind, LipschitzMetric) else NONE

    @property
    def nights(self) -> str:
        """Published score in percent."""
        return f"{self.about.nights[0]:g}" if self.about.nights else NONE

    @property
    def here(self) -> str:
        """Whether it can be used on this machine, or what is missing."""
        if self.card.missing:
            return f"no: pip install {' '.join(self.card.missing)}"
        if self.card.absent:
            return "no: weights"
        wanted = metric.inputs(self.name)
        return f"with {', '.join(wanted)}" if wanted else "yes"


def _stated(factory: Any) -> Any:
    """What a function says that it returns. The annotations of a plug-in may name what is not there."""
    try:
        return get_type_hints(factory).get("return", Metric)
    except (NameError, TypeError, AttributeError):
        return Metric


def all_facts() -> list[MetricFacts]:
    """Every registered metric, by name."""
    cards = {name: metric.card(name) for name in metric.names()}
    return [MetricFacts(name, card, card.about or About(year=0)) for name, card in cards.items()]


def page() -> str:
    """The text of docs/metrics.md: the facts that do not depend on the machine, for the metrics of this project."""
    ours = [entry for entry in all_facts() if metric.factory(entry.name).__module__.startswith("perceptbench.metrics.")]
    return _PAGE.format(facts=_facts(ours), sources=_sources(ours), weights=_weights(ours))


def _facts(ours: Sequence[MetricFacts]) -> str:
    head = ("metric", "what it is", "M", "GMAC", "side", "original", "proved by", "NIGHTS")
    return _table(
        head, ((f"`{e.name}`", e.card.summary, *e.size, e.about.original, e.proved_by, e.nights) for e in ours)
    )


def _sources(ours: Sequence[MetricFacts]) -> str:
    head = ("metric", "source", "year", "licence of the code", "of the weights", "NIGHTS published by")
    rows = []
    for e in ours:
        licences = e.card.licence, e.about.weights_licence or NONE
        published = e.about.nights[1] if e.about.nights else NONE
        rows.append((f"`{e.name}`", e.card.source, str(e.about.year or NONE), *licences, published))
    return _table(head, rows)


def _weights(ours: Sequence[MetricFacts]) -> str:
    head = ("file", "for", "source", "SHA-256", "how to get it")
    users: dict[Weights, list[str]] = {}
    for entry in ours:
        for file in entry.about.weights:
            users.setdefault(file, []).append(f"`{entry.name}`")
    rows = []
    for file, names in users.items():
        digest = f"`{file.sha256}`" if file.sha256 else "not stated"
        rows.append((f"`{file.file}`", ", ".join(names), f"<{file.url}>", digest, file.by_hand or "fetched"))
    return _table(head, sorted(rows))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
