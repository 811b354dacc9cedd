"""Exact search of a gallery in bounded memory: the nearest images of a query, and how many are nearer than one.

    look = SearchedEmbeddings(metric, rows).look(represented)    # queries (n), represented by the metric
    look.nearest(allowed, k)                                     # places and distances (n, k)
    look.ahead(allowed, place)                                   # how many are at most as far as that image

Here: what a search answers (`look.py`, `looked_up.py`), and the images that are searched: embeddings, such as a file
that is mapped into memory (`searched_embeddings.py`); images of a metric without an embedding (`searched_images.py`);
a short list for each query (`short_lists.py`).
Not here: galleries on the disk (`triplets/gallery.py`), ranks and what is said of them (`tasks/retrieval.py`).
"""
