"""Lower bounds: how far images may move before an answer can change.

Here: one file a method, what proofs from embeddings share (`embedded.py`), what float32 costs (`reserve.py`),
pairs (`decision.py`), retrieval, and the search that tests a bound (`audit.py`). Not here: attacks, which bound the
same radius from above; geometry (`metrics/spaces`).

    proof = certify(Margin(), metric, batch, Threat("reference", "l2"))
    proof.radius                                  # (n,), 0 where nothing is proved
"""
