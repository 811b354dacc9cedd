"""Certificates beside attacks: `make soundness`. A flip inside a radius that is called sound is a violation.

Small networks of every family and metrics of known geometry, on images of 16 pixels, under every sound certifier and
every attack of the registry, at 0.999 of the radius. A pair is one certified triplet under one attack.

    python -m benchmarks.soundness --keep                 100,000 pairs and 200 triplets of the shipped lipsim
    python -m benchmarks.soundness --pairs 10000          a sample of the same, for CI
"""
