"""What benign edits of the reference cost: `bench ladder`."""

from collections.abc import Sequence
from typing import Any

from perceptbench.bench.api.run import run
from perceptbench.bench.api.runs import Runs
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref

_EPS = 1.0
"""Every run has a budget; nobody spends this one."""


def ladder(metrics: Any, data: Any = "photos", *, edit: str | Sequence[str] = (), **options: Any) -> Runs:
    """The natural score when the reference was edited as people edit pictures, by edit and strength: one run a metric.

    The same triplets are asked again for each rung: JPEG, resize, crop, shift, rotation, gamma, noise. Left and right
    stay as they are. A change that an attacker may not make is of no use if a harmless one already turns the answer.

    Args:
        metrics: one or a list of what `pb.metric` takes.
        data: one or a list of data sets of triplets.
        edit: edits with strengths from weak to strong, `"jpeg:95,50"`; one or several. Those of docs/ladder.md
            without it.
        options: of `pb.run`, such as limit, runs, device, batch_size.

    Returns:
        The runs. Rows have the rung as `measure`; `pb.report` draws them.

    Raises UserError for anything wrong, before the first image is embedded.

    Example:
        >>> pb.ladder(["psnr", "lipsim"], limit=32, edit=["jpeg:95,50", "shift-px:1,4"]).frame()
    """
    if strange := {"task", "attack", "eps", "threat", "certifier", "through", "quantize"} & set(options):
        raise UserError(f"pb.ladder attacks nothing, so it has no option {min(strange)}; use pb.run")
    words = [edit] if isinstance(edit, str) else list(edit)
    named = Ref("ladder", None, (("rungs", " ".join(words)),) if words else ())
    return run(metrics, None, _EPS, data, task=str(named), certifier="none", **options)
