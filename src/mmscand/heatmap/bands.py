"""Pieces with one label are one band."""

from collections.abc import Sequence

import numpy as np

from mmscand.model import FloatArray, PageNumbers


def in_bands(
    labels: Sequence[str], weights: FloatArray | None = None
) -> tuple[PageNumbers, tuple[tuple[str, int], ...]]:
    """The order of the pieces (n,) by band, and label and number of pieces of each band.

    Bands are in the order in which they come, or by their `weights` (n,), the heaviest first.
    """
    places = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    band = np.array([places[label] for label in labels], dtype=np.intp)
    pieces = np.bincount(band, minlength=len(places))
    by_rank = np.arange(len(places))
    if weights is not None:
        by_rank = np.argsort(-np.bincount(band, weights=weights), kind="stable")
    rank = np.argsort(by_rank)
    names, order = list(places), np.argsort(rank[band], kind="stable")
    return order, tuple((names[at], int(pieces[at])) for at in by_rank.tolist())
