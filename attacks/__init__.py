"""Upper bounds: how small a change of an image can be that reaches an attacker's goal. One file an attack.

Here: the attacks and what they raise (`objectives.py`); `threats/` holds the sets they search, `running/` runs and
judges them, `bridges/` calls the attacks of other libraries. Not here: certificates, which bound the same size from
below (`certifiers`), and which goal a run has (`tasks`).

    from perceptbench.attacks.base import attack
    from perceptbench.attacks.objectives import FlipPreference
    from perceptbench.core.noise import Noise
    from perceptbench.core.ref import Ref

    goal = FlipPreference.make(metric, batch.left, batch.right, batch.label)
    adversarial = attack.build(Ref.parse("l2-pgd(steps=20)"))(goal, batch.reference, 1.0, Noise.make(0, batch.ids))
"""
