"""Triplets of 30 photographs of rocks, from the likeness that people saw in pairs of them."""

from perceptbench.triplets.base import TripletSource, triplets
from perceptbench.triplets.csv_file import judgements


@triplets(
    "rocks30", source="ratings of pairs by people, docs/data.md", licence="none stated: for research; not shipped here"
)
def rocks30(path: str) -> TripletSource:
    """Photographs of rocks, from ratings of pairs by people: rocks30:PATH.

    PATH is the folder that holds triplets.csv (docs/data.md) and the images that it names. Triplets of one reference
    are drawn together by intervals, and training refuses the data.

    Raises UserError for a faulty table, an id used twice, or an image that is missing, broken or outside the folder.
    """
    return judgements("rocks30", path, "30 rocks, ratings of pairs")
