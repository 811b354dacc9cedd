"""How good attacks are: goals whose nearest success is known by proof, and the size that an attack needs there.

Here: the goals (`victims.py`) and the measurement (`needed.py`). Not here: the attacks, and the table and the figure
that are made of it (`reports/attack_strength.py`).

    from perceptbench.attacks.strength.needed import needed
    from perceptbench.attacks.strength.victims import victims

    for victim in victims("l2"):
        print(victim.name, needed(attack, "l2-fmn", victim).ratio.median())
"""
