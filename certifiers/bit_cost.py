"""The least length of a change of values c that flips enough bits of [c_i > m], m the middle of the values.

docs/hashes.md has the theorem and its proof. Pure functions of arrays: no image and no library.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

_FINER, _ROUNDS, _CLOSE, _MOST = 4, 40, 1e-4, 4096


@dataclass(frozen=True)
class Code:
    """One image as a hash sees it.

    Args:
        values: c (k,).
        scale: s (k,); a change Delta of the values has the length sqrt(sum of Delta_i^2 / s_i).
        bits: those of the library (k,). Some may contradict the values, where rounding decides.
        above, below: how many values can lie above the threshold, and how many below it.
        off: how far each value of the library may be from c.
    """

    values: Float[np.ndarray, " k"]
    scale: Float[np.ndarray, " k"]
    bits: Bool[np.ndarray, " k"]
    above: int
    below: int
    off: float = 0.0


def least_length(code: Code, wanted: Bool[np.ndarray, " k"], flips: int) -> float:
    """The length of the smallest change that flips `flips` more of the wanted bits than of the others.

    Where the threshold is one of the values it is the infimum over all changes, ties included, less at most a
    ten-thousandth; where it is the mean of two, a bound from below. The search is in one unknown, the threshold m'
    after the change. Between two thresholds a < b that no value separates, a value above
    costs at least what it costs at b, and one below what it costs at a. So each interval has a bound; those that may
    hold the minimum are divided until it is close.

    Args:
        wanted: bits whose flip brings the attacker nearer to the goal (k,).
        flips: how many; 0 or less is there already.

    Returns infinity where there are not enough bits.
    """
    if flips <= 0:
        return 0.0
    edges = np.unique(code.values)
    low, high = (edges[:-1], edges[1:]) if len(edges) > 1 else (edges, edges)
    least = np.inf
    for _ in range(_ROUNDS):
        bound = costs(code, wanted, flips, low, high)
        likely = bound < least
        middle = ((low + high) / 2)[likely]
        least = min(least, float(costs(code, wanted, flips, middle, middle).min(initial=np.inf)))
        left = bound < least * (1 - _CLOSE)
        if not np.isfinite(least) or not left.any():
            return float(np.sqrt(least * (1 - _CLOSE)))
        if int(left.sum()) > _MOST:
            break
        finer = np.linspace(low[left], high[left], _FINER + 1)
        low, high = finer[:-1].ravel(), finer[1:].ravel()
    return float(np.sqrt(min(bound.min(), least)))


def costs(
    code: Code, wanted: Bool[np.ndarray, " k"], flips: int, low: Float[np.ndarray, " j"], high: Float[np.ndarray, " j"]
) -> Float[np.ndarray, " j"]:
    """The least squared length with a threshold in [low, high], from below; exact where both are one.

    No value lies strictly between the two.

    A value above m' may go down to m', one below may come up to it or just beyond; each costs (c_i - m')^2 / s_i. With
    no move, the bits flip that m' has passed over. Four kinds of moves are left, and of each the cheapest are taken:
    g values come down and the flips in favour rise by one each, h come down and they fall by one each, v come up that
    may add one each, and w that add none. Of the v, u go beyond m'. Then

        flips without a move + g - h + u >= flips,    above - g - h + u <= code.above,    below - v - w <= code.below.

    For each g the least h, u and w follow, and v is the cheapest from u on.
    """
    k, over = len(code.values), code.values > ((low + high) / 2)[:, None]
    distance = np.where(over, code.values - high[:, None], low[:, None] - code.values) - code.off
    cost = np.maximum(distance, 0) ** 2 / code.scale
    flipped = over != code.bits
    # A value that comes down becomes an unset bit: in favour where a wanted bit was set or another one was not.
    helps = wanted == code.bits
    down_helps, down_harms, up_helps, up_rest = (
        _cheapest(np.where(chosen, cost, np.inf))
        for chosen in (over & helps, over & ~helps, ~over & ~helps, ~over & helps)
    )
    gained = np.where(wanted, flipped, -1 * flipped).sum(1)[:, None]
    too_high, too_low = over.sum(1)[:, None] - code.above, (~over).sum(1)[:, None] - code.below
    g = np.arange(k + 1)[None]
    h = np.maximum(too_high - g, 0)
    u = np.maximum(flips - gained - g + h, 0)
    v = np.arange(k + 1)[None]
    climbs = up_helps + np.take_along_axis(up_rest, np.clip(too_low - v, 0, k), 1)
    from_u_on = np.minimum.accumulate(climbs[:, ::-1], axis=1)[:, ::-1]
    total = down_helps + np.take_along_axis(down_harms, np.clip(h, 0, k), 1)
    total = total + np.take_along_axis(from_u_on, np.clip(u, 0, k), 1)
    return np.where((u <= k) & (u <= g + h - too_high), total, np.inf).min(1)


def _cheapest(one_by_one: np.ndarray) -> np.ndarray:
    """The sums of the 0, 1, 2, ... smallest costs (j, k + 1) of each row."""
    ordered = np.sort(one_by_one, axis=1)
    return np.concatenate([np.zeros((len(ordered), 1)), np.cumsum(ordered, axis=1)], axis=1)
