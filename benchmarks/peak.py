"""How much of what the device could do a step does."""

from collections.abc import Sequence
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.work import Work


def share_of_peak(work: Work, seconds: Sequence[float], peak: float) -> dict[str, float]:
    """Floating-point operations of one step (matrix products and convolutions), and their rate.

    Args:
        seconds: what such steps took.
        peak: TFLOP/s in the precision that is used, from the maker's data sheet; 0 leaves the share out.
    """
    if not torch.cuda.is_available() and not peak:
        return {}
    with FlopCounterMode(display=False) as counter:
        work.objective.gradient(work.batch.reference)
    rate = counter.get_total_flops() / median(seconds) / 1e12
    return {"tflop_per_s": rate} | ({"share_of_peak": rate / peak} if peak else {})
