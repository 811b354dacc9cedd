"""How attacks are run: over all budgets, counted, and judged again, since an attack's own result is not trusted.

Here: what holds for every attack. Not here: how an attack searches (the files in `attacks`), which samples are attacked
and what is written (`bench/evaluate.py`).

    import torch
    from perceptbench.attacks.running.sweep import run_attack

    skip = torch.zeros(2, len(x), dtype=torch.bool)          # attack every sample at both budgets
    outcomes = run_attack(attack, "l2-pgd", objective, x, [0.5, 1.0], skip, Noise.make(0, ids))
    outcomes[1].broken                                       # (n,), at eps 1.0
"""
