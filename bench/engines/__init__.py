"""Where runs are computed, one file an engine. `local` computes in this process.

Here: how chunks of sample ids get to a place that computes them. Not here: what is computed for a chunk
(`bench/evaluate.py`), and the store, resume and progress (`bench/runner.py`).

    from perceptbench.bench.engines.base import Job, engine
    from perceptbench.core.ref import Ref

    for done in engine.build(Ref("local")).map(Job(plan, state={}), [["photo-0"], ["photo-1"]]):
        done.frame                                           # rows of samples.parquet
"""
