"""Distances between several feature maps of each image: LPIPS and its relatives, DISTS.

Here: the metrics, the trunks they read, and `FeatureMetric`, what they share. Not here: networks that give one
vector an image (`embeddings`), and fitting heads (`training/lpips`).

    lpips = metric.build(Ref.parse("lpips"))
    d0, d1 = lpips.prepare(left, right).distances(reference)
"""
