"""`python -m perceptbench`: the command line."""

from perceptbench.bench.cli import main

main()
