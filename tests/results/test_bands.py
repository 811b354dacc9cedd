"""Simultaneous intervals against tables and closed forms."""

import numpy as np
import pytest

from perceptbench.results.statistics.bands import simultaneous


def test_one_point_is_the_interval_of_clopper_and_pearson() -> None:
    """None of 10: [0, 1 - 0.025^(1/10)] = [0, 0.3085], and all of 10 mirrored, in closed form."""
    low, high = simultaneous([0.0], 10, "Clopper-Pearson, Bonferroni")
    assert (low[0], high[0]) == (0, pytest.approx(1 - 0.025**0.1))
    low, high = simultaneous([1.0], 10, "Clopper-Pearson, Bonferroni")
    assert (low[0], high[0]) == (pytest.approx(0.025**0.1), 1)


def test_more_points_share_the_five_percent_each_with_its_own_count() -> None:
    _, high = simultaneous(np.zeros(5), [10, 10, 20, 20, 40], "Clopper-Pearson, Bonferroni")
    assert high == pytest.approx([1 - 0.005 ** (1 / n) for n in (10, 10, 20, 20, 40)])


def test_the_band_of_a_survival_function_is_massarts_however_many_points() -> None:
    """Wasserman, All of Nonparametric Statistics, example 2.1: +- .048 for n = 799."""
    for scores in ([0.5], np.linspace(0.1, 0.9, 30)):
        low, high = simultaneous(scores, 799, "Dvoretzky-Kiefer-Wolfowitz")
        assert np.round(high - scores, 3) == pytest.approx(0.048)
        assert np.round(scores - low, 3) == pytest.approx(0.048)
    low, high = simultaneous([0.01, 0.99], 799, "Dvoretzky-Kiefer-Wolfowitz")
    assert (low[0], high[1]) == (0, 1)


@pytest.mark.parametrize("score", [-0.1, 1.1])
def test_scores_outside_their_range_are_refused(score: float) -> None:
    with pytest.raises(ValueError, match="credits in"):
        simultaneous([score], 10, "Clopper-Pearson, Bonferroni")
