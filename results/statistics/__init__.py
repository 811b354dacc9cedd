"""Estimates, intervals and tests over stored samples, each with its paper where the formula stands.

They take arrays, and a record where a statistic needs several of its columns. What a task counts as a right answer
lies in `results/tasks/`.

    import numpy as np
    from perceptbench.results.statistics.estimates import proportion

    print(proportion(np.array([1.0, 1.0, 0.0, 1.0])).low)
"""
