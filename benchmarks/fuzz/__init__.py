"""Files and words that a stranger may have made: `make fuzz`. Each is refused in one sentence, or answered rightly.

    python -m benchmarks.fuzz --keep              10,000 cases over all surfaces, from one seed
    python -m benchmarks.fuzz --seconds 60        what fits, for CI
    python -m benchmarks.fuzz --only png --cases 500 --corpus

Hypothesis makes and minimises the cases; a surface (surfaces/) says what is changed and what must hold. A traceback, a
hang, too much memory or a silently different number is a failure. `--corpus` keeps each minimised failure as a file in
corpus/, which a test reads again at every commit.
"""
