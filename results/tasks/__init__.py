"""Scores: how the samples of a task become rows of a table. One file a task.

The other half of a task, which asks a metric and needs torch, lies in `tasks/`. What no task owns, such as intervals
or the store, lies in the rest of `results/`.

    from perceptbench.results.tasks.base import scores_of

    rows = scores_of(record.task).rows(record)
"""
