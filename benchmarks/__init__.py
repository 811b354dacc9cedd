"""How fast it is, beside what it is compared with: `make bench`.

One process measures all, so that a slow or busy machine slows both sides alike:

    python -m benchmarks                      everything, in less than 30 minutes on two cores
    python -m benchmarks --only sweep         one item; the others keep their last numbers
    python -m benchmarks --quick              a minute: does it run? Its numbers mean nothing
    python -m benchmarks.strength --runs runs   not speed: who broke what

Not speed either, but what might break the program (docs/reliability.md): benchmarks/fuzz, benchmarks/faults and
benchmarks/soundness.

Compared are (a) the protocol as the paper's public code runs it (`literal_model.py`) and (b) upstream's
AutoAttack on our cached objective (`upstream_autoattack.py`). None of it is a test: a bar that is missed is
printed as missed, and the exit status stays 0.
"""
