"""Triplets of 85 shoes, one answer of one person each."""

from perceptbench.triplets.base import TripletSource, triplets
from perceptbench.triplets.csv_file import judgements


@triplets("zappos", source="images: UT Zappos50K (Yu and Grauman, CVPR 2014)", licence="academic use; not shipped here")
def zappos(path: str) -> TripletSource:
    """Shoes from a shop, one answer each: zappos:PATH.

    PATH is the folder that holds triplets.csv (docs/data.md) and the images that it names. Triplets of one reference
    are drawn together by intervals, and training refuses the data.

    Raises UserError for a faulty table, an id used twice, or an image that is missing, broken or outside the folder.
    """
    return judgements("zappos", path, "85 shoes, one answer each")
