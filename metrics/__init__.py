"""Perceptual distances between images: smaller is more alike, and every one is differentiable or says so.

Here: what a metric is (`base.py`), the images of a batch as a metric sees them (`seen.py`), and one room for each
kind: `classical`, `features`, `embeddings`, `lipsim`, `bridges`; `spaces` holds the geometry of answers, `search` finds
the nearest images of a gallery.
Not here: attacks, certificates, training, data.

    from perceptbench.core.ref import Ref
    from perceptbench.metrics.base import metric

    lipsim = metric.build(Ref.parse("lipsim"))
    lipsim(x, y)                                  # distances (n,) of images (n, 3, h, w) in [0, 1]
"""
