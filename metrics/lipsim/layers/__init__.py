"""Layers of norm at most 1, each with the reason for its norm beside it.

Every layer has a form for training, which derives its weights anew in each pass, and a frozen form with plain weights
for evaluation. Not here: how layers make a network (`network.py`).

    layer = SLLConv(channels=192, inner=96)
    layer.frozen()(x)                             # the same map, faster
"""
