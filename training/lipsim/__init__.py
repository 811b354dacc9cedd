"""Training LipSim: its arguments, losses, optimisation loop, and how it is judged on what is held out.

config.py has the arguments and the recipe of the shipped weights, train.py the whole run. What a step learns from is
in `data/`; layers and their bounds are in `metrics/lipsim/`.

    from perceptbench.training.lipsim.config import Machine, Sources, TrainConfig
    from perceptbench.training.lipsim.train import train_lipsim

    sources = Sources(images=(Path("photographs"),))
    train_lipsim(sources, TrainConfig(), Machine(), Path("lipsim.safetensors"), command="by hand")
"""
