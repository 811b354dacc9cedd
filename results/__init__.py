"""What finished runs hold and what is computed from it: records, store, rows, statistics, comparison with a baseline.

Nothing here asks a metric or needs torch: what a statistic needs is in the samples of a record. How results
look, in tables and figures, is decided in `reports/`.

    from pathlib import Path
    from perceptbench.results.rows import rows_of
    from perceptbench.results.store import RunStore

    for record in RunStore(Path("runs")).select(metric="lipsim"):
        print(rows_of(record)[0].score)
"""
