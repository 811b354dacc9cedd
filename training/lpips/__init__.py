"""Fitting LPIPS to human answers: its arguments, losses, and the fit of the heads or of the whole network.

The network is in `metrics/features/`; which images are held out is decided in training/hold_out.py.

    from perceptbench.training.lpips.fit import fit
    from perceptbench.training.lpips.lpips_config import LPIPSConfig

    curve = fit(net, source, LPIPSConfig(epochs=2))
"""
