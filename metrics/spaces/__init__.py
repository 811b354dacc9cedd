"""Where an answer flips: the geometry of embeddings under a distance, as pure functions and small classes.

Here: planes, cones, intervals and radii, in lengths of embeddings. Not here: networks, the Lipschitz constant that
turns a length into pixels, and what float32 costs (`certifiers`). Proofs: docs/certificates.md.

    Raw().signed_radius(reference, left, right)   # (n,), positive where right is nearer
"""
