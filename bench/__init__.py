"""Runs: what was asked for, the plans made of it, the loop that computes them, and the command line.

Here: a request (request.py) says what was asked for, checks.py and choices.py refuse what does not fit together,
plan.py makes runs of it, runner.py computes them. The commands are in `commands/`, the places where chunks are computed
in `engines/`. Not here: numbers, which the layers below compute; tables and figures of finished runs (`reports`).

    from perceptbench.bench.planner import make_plans
    from perceptbench.bench.request import Request

    (plan,) = make_plans(Request(metrics=["l2"], attacks=["l2-pgd"], eps=(1.0,), limit=2))
"""
