"""Triplets of 92 objects, from the arrangements that sixteen people made of them."""

from perceptbench.triplets.base import TripletSource, triplets
from perceptbench.triplets.csv_file import judgements


@triplets(
    "objects92",
    source="Kriegeskorte et al., Neuron 60(6), 2008; Mur et al., Front. Psychol. 4:128, 2013; rsatoolbox",
    licence="MIT (rsatoolbox); images for research; not shipped here",
)
def objects92(path: str) -> TripletSource:
    """People, animals and things, by sixteen people who arranged them by likeness: objects92:PATH.

    PATH is the folder that holds triplets.csv (docs/data.md) and the images that it names. Triplets of one reference
    are drawn together by intervals, and training refuses the data.

    Raises UserError for a faulty table, an id used twice, or an image that is missing, broken or outside the folder.
    """
    return judgements("objects92", path, "92 objects, 16 people")
