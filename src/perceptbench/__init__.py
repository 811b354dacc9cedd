"""How robust perceptual image-similarity metrics are: under attack, and with proof.

import perceptbench as pb

lipsim = pb.metric("lipsim")
run = pb.run([lipsim, pb.metric("psnr")], attack="l2-pgd", eps=[0.5, 1], limit=8)
run.frame()

The names in `__all__` are public. Each is imported when it is first used: importing this package costs no torch.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

if TYPE_CHECKING:
    from perceptbench.bench.api.attack import attack
    from perceptbench.bench.api.attacks import attack_strengths
    from perceptbench.bench.api.audit import audit
    from perceptbench.bench.api.certify import certify
    from perceptbench.bench.api.data import data
    from perceptbench.bench.api.distance import distance
    from perceptbench.bench.api.doctor import doctor
    from perceptbench.bench.api.invert import invert
    from perceptbench.bench.api.ladder import ladder
    from perceptbench.bench.api.metric import MetricModule as Metric
    from perceptbench.bench.api.metric import metric
    from perceptbench.bench.api.pairs_below import pairs_below
    from perceptbench.bench.api.retrieve import retrieve
    from perceptbench.bench.api.run import run
    from perceptbench.bench.api.runs import Runs, load, report
    from perceptbench.bench.api.verify import verify
    from perceptbench.core.errors import UserError
    from perceptbench.triplets.base import Triplets

    __version__: str

__all__ = [
    "Metric",
    "Runs",
    "Triplets",
    "UserError",
    "__version__",
    "attack",
    "attack_strengths",
    "audit",
    "certify",
    "data",
    "distance",
    "doctor",
    "invert",
    "ladder",
    "load",
    "metric",
    "pairs_below",
    "report",
    "retrieve",
    "run",
    "verify",
]

_PLACES = {
    "Metric": "bench.api.metric:MetricModule",
    "Runs": "bench.api.runs:Runs",
    "Triplets": "triplets.base:Triplets",
    "UserError": "core.errors:UserError",
    "attack": "bench.api.attack:attack",
    "attack_strengths": "bench.api.attacks:attack_strengths",
    "audit": "bench.api.audit:audit",
    "certify": "bench.api.certify:certify",
    "data": "bench.api.data:data",
    "distance": "bench.api.distance:distance",
    "doctor": "bench.api.doctor:doctor",
    "invert": "bench.api.invert:invert",
    "ladder": "bench.api.ladder:ladder",
    "load": "bench.api.runs:load",
    "metric": "bench.api.metric:metric",
    "pairs_below": "bench.api.pairs_below:pairs_below",
    "report": "bench.api.runs:report",
    "retrieve": "bench.api.retrieve:retrieve",
    "run": "bench.api.run:run",
    "verify": "bench.api.verify:verify",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> _Any:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        found: _Any = version(__name__)
    elif name in _PLACES:
        module, _, attribute = _PLACES[name].partition(":")
        found = getattr(_import_module(f"{__name__}.{module}"), attribute)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
