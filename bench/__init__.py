"""What runs: requests, plans, the run loop, engines, the store's identity, and the command line in front of them.

A request (request.py) says what was asked for; checks.py refuses what does not go together; plan.py makes runs of
it that can start. Options and commands are in `commands/`, where runs are computed in `engines/`. Numbers are made in
the layers below; tables and figures of finished runs are made in `reports/`.

    from perceptbench.bench.plan import make_plans
    from perceptbench.bench.request import Request

    (plan,) = make_plans(Request(metrics=["l2"], attacks=["l2-pgd"], eps=(1.0,), limit=2))
"""
