"""The mixture of rates: what it expects of pages that look alike is what they do."""

import numpy as np
import pytest

from mmscand.model import FloatArray
from mmscand.policy.rates import RateMixture, likelihood

PAGES = 65_536


def by_zipf(exponent: float, share: float) -> FloatArray:
    """(PAGES,) chances to be seen accessed, so that this share of all is."""
    weight = np.arange(1.0, PAGES + 1) ** -exponent
    scales = np.geomspace(1, 1e9, 400)
    seen = [float(-np.expm1(-scale * weight / weight.sum()).mean()) for scale in scales]
    scale = np.interp(share, seen, scales)
    chances: FloatArray = -np.expm1(-scale * weight / weight.sum())
    return chances


@pytest.mark.parametrize("exponent", [0.7, 0.99, 1.2])
@pytest.mark.parametrize("share", [0.09, 0.16, 0.3])
def test_no_more_is_expected_of_pages_that_were_always_accessed_than_they_keep(
    exponent: float, share: float
) -> None:
    chances, rng = by_zipf(exponent, share), np.random.default_rng(1)
    hits, mixture = np.zeros(PAGES, dtype=np.intp), RateMixture()
    for number in range(1, 6):
        hits += rng.random(PAGES) < chances
        counts = np.bincount(hits, minlength=number + 1).astype(float)
        likely = likelihood(np.arange(number + 1.0), np.full(number + 1, float(number)))
        mixture.learn_counts(counts, likely)
        if number >= 3:  # before, no observation tells chance from difference
            truth = float(chances[hits == number].mean())
            assert truth - 0.2 <= mixture.chances(likely)[-1] <= truth + 0.07
