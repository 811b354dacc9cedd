"""`bench new metric NAME`: a file to begin with, and its test."""

import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.core.option import option

_NAME = re.compile("[a-z][a-z0-9]*([-_][a-z0-9]+)*", re.ASCII | re.IGNORECASE)

_METRIC = '''"""{name}: how far two images are apart, smaller where they are more alike."""

import torch
import torch.nn.functional as F


class {cls}:
    """Vectors compared by cosine. For distances of your own give `forward(self, x, y)`, which returns (n,)."""

    def __init__(self, side: int = 16) -> None:
        # Load weights here. Arguments are typed as {file}:{cls}(side=8).
        self.side = side

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """One vector (n, d) an image of (n, 3, h, w), values in [0, 1]; differentiable."""
        small = F.adaptive_avg_pool2d(x, self.side)
        ones = torch.ones_like(small[:, :1, 0, 0])
        return torch.cat([(small - small.mean((2, 3), keepdim=True)).flatten(1), ones], dim=1)
'''

_TEST = '''"""{cls} keeps to what every metric keeps to. Run: pytest test_{file}"""

from pathlib import Path

import perceptbench as pb
from perceptbench.testing import MetricContract


class Test{cls}(MetricContract):
    """Each test says what to mend."""

    def made(self):
        return pb.metric(f"py:{{Path(__file__).with_name('{file}')}}:{cls}").inner
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMetricRequest:
    """What it is called, and where its files go."""

    name: str = field(metadata=option("Letters, digits, - and _: ours, color-net.", positional=True))
    to: Path = field(default=Path(), metadata=option("Folder of the two files."))


@command()
def metric(request: NewMetricRequest) -> None:
    """Write a metric of 20 lines to begin with, and its test; no file is overwritten."""
    from perceptbench.core.errors import UserError
    from perceptbench.core.files import write_atomically

    if not _NAME.fullmatch(request.name) or len(request.name) > 60:
        raise UserError(f"expected a name of letters, digits, - and _, got {request.name[:80]!r}; as in: ours")
    stem = request.name.lower().replace("-", "_")
    cls = "".join(word.capitalize() for word in stem.split("_"))
    words = {"name": request.name, "cls": cls, "file": f"{stem}.py"}
    files = {request.to / f"{stem}.py": _METRIC, request.to / f"test_{stem}.py": _TEST}
    if there := [str(path) for path in files if path.exists()]:
        raise UserError(f"expected no file at {there[0]}, found one; give another name, or --to another folder")
    for path, text in files.items():
        write_atomically(path, partial(Path.write_text, data=text.format(**words), encoding="utf-8"))
    own = f"py:{request.to / stem}.py:{cls}"
    answer(
        f"{' and '.join(map(str, files))}. Next: bench doctor --metric {own}, then "
        f'bench run --metric "{cls}={own},lipsim" --attack l2-aa --eps 0.5,1 --limit 16'
    )
