"""Flags of distrust: signs that a number of a run is not what it seems, one file a flag. docs/flags.md explains them.

Here: what is measured of a metric and of a finished search, and from which value on it counts. Not here: how a flag is
stored (`results/flags.py`) and shown (`reports/cell.py`), and the counts inside attacks (`attacks/running/counted.py`).

    from perceptbench.bench.flags.base import Observed, flag, measured

    values = measured(Observed(probe=AskedAgain.of(...)))         # {"batch": 0.0, "finite-difference": 0.01, ...}

A new flag is one file with one decorator.
"""
