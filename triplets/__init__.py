"""Two-alternative data: a reference, two images, and which of them people find more alike.

Here: one file a data set, and how untrusted tables and images are read. `constructed` makes triplets from photographs.
Not here: fetching files (`core/fetch`), training batches (`training`).

    source = triplets.build(Ref.parse("photos")).limited(8)
    batch = source.batch(source.entries)          # batch.reference: (8, 3, 224, 224) in [0, 1]
"""
