"""What a step of LipSim's training learns from: photographs, their views, the teacher's embeddings, triplets, batches.

material.py reads, embeds and caches all of it before the first step. A batch follows from seed, stage and step alone.
Data sets with human answers belong to `triplets/`.

    from perceptbench.training.lipsim.data.photographs import load_photographs
    from perceptbench.training.lipsim.data.views import FixedViews

    photographs = load_photographs([Path("photographs.tar")], limit=100)
    image = FixedViews(size=224, count=8)(photographs.photo(0), photographs.names[0], view=3)
"""
