"""Pretrained networks that give one vector an image, compared by cosine: CLIP, DINO, DreamSim and others.

Here: the metrics and how their checkpoints are read. Not here: embeddings with a proved Lipschitz constant
(`lipsim`), networks built by name from another library (`bridges`).

    dino = metric.build(Ref.parse("dino-s16"))
    g = dino.embed(x)                             # (n, 384)
"""
