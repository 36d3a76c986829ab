"""The estimate of rates: what holds for all scores, and what it finds of known mixtures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.policy.rates import RateMixture


def bits(rates: np.ndarray, observations: int, seed: int) -> np.ndarray:
    """Scores (pages,) of so many exposures."""
    rng = np.random.default_rng(seed)
    return rng.binomial(observations, -np.expm1(-rates)) / observations


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 16), min_size=2, max_size=300), st.integers(16, 127))
def test_a_page_with_a_higher_score_is_never_believed_to_be_used_less(
    counts: list[int], observations: int
) -> None:
    scores = np.array(counts) / 16
    rates = RateMixture().learn(scores, observations)
    order = np.argsort(scores)
    assert (np.diff(rates[order]) >= -1e-9).all()
    assert (rates > 0).all()


@pytest.mark.parametrize("rate", [0.05, 0.5, 2.0])
def test_pages_that_are_used_alike_shrink_to_one_rate(rate: float) -> None:
    scores = bits(np.full(20000, rate), 40, 1)
    mixture = RateMixture()
    for _ in range(20):
        rates = mixture.learn(scores, 40)
    low, high = np.quantile(rates, (0.01, 0.99))
    assert high / low < 1.5
    assert rates.mean() == pytest.approx(rate, rel=0.05)
    # As raw scores they differ several times as much.
    low, high = np.quantile(-np.log1p(-np.clip(scores, 0.01, 0.99)), (0.01, 0.99))
    assert high / low > 1.8


def test_a_mixture_of_two_is_recovered() -> None:
    true = np.where(np.arange(20000) < 2000, 1.5, 0.1)
    mixture = RateMixture()
    for _ in range(20):
        rates = mixture.learn(bits(true, 40, 2), 40)
    assert np.median(rates[:2000]) == pytest.approx(1.5, rel=0.15)
    assert np.median(rates[2000:]) == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize(("rate", "direction"), [(8.0, -1), (0.02, 1)])
def test_the_exposure_goes_where_bits_tell_pages_apart(rate: float, direction: int) -> None:
    true = np.where(np.arange(20000) < 2000, rate, rate / 10)
    mixture = RateMixture()
    mixture.learn(bits(true, 8, 3), 8)
    assert np.sign(np.log(mixture.better_exposure(0.1))) == direction


def test_where_nothing_is_to_be_told_apart_the_exposure_stays() -> None:
    mixture = RateMixture()
    for _ in range(20):
        mixture.learn(bits(np.full(20000, 0.5), 40, 4), 40)
    assert mixture.better_exposure(0.1) == 1.0


def test_after_a_change_each_page_is_believed_by_what_it_shows() -> None:
    true = np.where(np.arange(20000) < 2000, 3.0, 0.1)
    mixture = RateMixture()
    for _ in range(10):
        before = mixture.learn(bits(true, 40, 5), 40)
    seen = np.zeros(20000, dtype=np.uint8)
    seen[2000:3000] = 4  # were cold, are hot; the first two thousand were hot and show nothing
    rates, beliefs = mixture.after_change(seen, 4, before, 0.1)
    assert rates[2000:3000].min() > 1.5
    assert rates[:2000].max() < 0.5
    assert beliefs[:3000].min() > 0.9
    assert beliefs[3000:].max() < 0.2


def test_nothing_is_answered_before_anything_was_learned() -> None:
    with pytest.raises(ValueError, match="nothing was learned"):
        RateMixture().better_exposure(0.1)
