"""Benign edits of a photograph: what happens to copies that nobody attacks. One file a family.

Here: pure functions from an image of bytes to one of the same size. Not here: which photographs are edited and compared
(`triplets/copies.py`), changes that an attacker chooses (`attacks/threats`).

    from perceptbench.triplets.edits.base import edit, edited
    from perceptbench.triplets.constructed.named_draws import NamedDraws

    half = edited(pixels, "jpeg", 30.0, NamedDraws("any key"))      # (h, w, 3) bytes, as pixels
    edit.names()
"""
