"""The regression test of `bench check`: a baseline of stored outcomes, and what compares new ones with it.

What is printed of it lies in `reports/check/`; what runs the matrix again lies in `bench/gate_runs.py`.

    from pathlib import Path
    from perceptbench.results.gate.baseline_file import read
    from perceptbench.results.gate.worse import compare

    known = read(Path("results/baselines/default.json"))
    failed = [one for one in compare(known, known.runs) if one.verdict == "worse"]
"""
