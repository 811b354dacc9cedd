"""The contracts of perceptbench, on what this package adds."""

import torch
from perceptbench_shift.photo_pairs import PairSource, photo_pairs
from perceptbench_shift.shift import Shift

from perceptbench.testing import TaskContract, ThreatContract


class TestPairsBelow(TaskContract):
    task = "pairs-below(tau=40.0)"
    eps = (1.0, 40.0)

    def source(self) -> PairSource:
        return photo_pairs().limited(4)


class TestPairsBelowUnderShifts(TestPairsBelow):
    threat = "shift"
    eps = (1.0, 8.0)


class TestShift(ThreatContract):
    def made(self) -> Shift:
        return Shift()


def test_a_shift_by_a_whole_pixel_moves_columns_by_one_and_half_a_pixel_is_their_mean() -> None:
    x = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    whole, half = (Shift().apply(x, torch.full((2, 1), pixels)) for pixels in (1.0, 0.5))
    assert torch.equal(whole[..., 1:], x[..., :-1])
    torch.testing.assert_close(half[..., 1:], (x[..., 1:] + x[..., :-1]) / 2)
