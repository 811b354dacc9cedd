"""Gradients in place of those of a metric, where these do not lead where the loss grows, and any attack along them.

Here: one such gradient a file, each an objective around another one, and the attack that follows it (`along.py`). Not
here: when they are used (`auto.py` in `attacks`).

    from perceptbench.attacks.apgd import L2APGD
    from perceptbench.attacks.other_gradients.along import Along
    from perceptbench.attacks.other_gradients.straight_through import StraightThrough

    Along(L2APGD(steps=50), StraightThrough())
"""
