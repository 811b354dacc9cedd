"""How files of others come to this machine: found or downloaded, checked by SHA-256, unpacked.

Here: weights and archives as files. Not here: which weights a metric declares (`metrics`), and where data sets are
published (`triplets/prepare.py`).

    from perceptbench.core.fetch.weights import Weights, load

    tensors = load(Weights(file="net.pth", url="https://publisher.org/net.pth", sha256="0123abcd"))
"""
