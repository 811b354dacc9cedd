"""Perceptual hashes: some bits an image, compared by how many differ. The libraries that people deploy compute them.

Here: one hash a file, what they share (`hash_metric.py`), the linear map behind each (`linear_hash.py`), its
differentiable stand-in for attacks (`soft_hash.py`), and what a proof needs to know (`provable.py`). Not here: the
proof itself (`certifiers/hash.py`), and the attack that solves the linear map (`attacks/l2_hash.py`).

    PDQ()(x, y)                  # bits that differ, (n,)
    PDQ().represent(x)           # the bits (n, 256)
"""
