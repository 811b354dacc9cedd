"""Fitting metrics: LipSim from photographs and a teacher, LPIPS from human answers.

Here lies what both need: what is held out, arrays kept on disk, the record beside the weights. The networks
themselves belong to `metrics/`, the commands to `bench/commands/`. `configs/` has recipes that
`bench train lipsim --config` takes by name.

    from perceptbench.training.hold_out import split_by_name

    learn, held = split_by_name(["a.png", "b.png", ...], every=20)
"""
