"""Triplets whose answer is known by construction, made from photographs alone.

Here: the recipe (`families.py`), what it is cut from, distortions, and draws that depend on names alone. Not here:
the photographs that ship (`triplets/photos.py`).

    entries = construct(photos, ids, per_family=18)
"""
