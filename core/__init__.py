"""The vocabulary that every layer shares: names, options, shapes, random numbers, errors, files. It imports no layer.

Here: what at least two layers need and no subject owns; `fetch/` brings files to this machine. Not here: anything
about one metric, attack, certifier or task.

    from perceptbench.core.ref import Ref, parse_eps

    Ref.parse("l2-pgd(steps=50)").args                       # (("steps", 50),)
    parse_eps(["36/255,1"])                                  # (0.1411..., 1.0)
"""
