"""How long placements hold, and what that says of the exposure."""

import numpy as np
import pytest

from mmscand.policy.rates import FACTORS, RateMixture
from mmscand.policy.tuning import Lasting


def test_until_a_change_is_seen_a_placement_holds_for_long() -> None:
    lasting = Lasting()
    lasting.add(2.0)
    assert lasting.windows(2.0) > 200


def test_the_first_span_counts_whole() -> None:
    lasting = Lasting()
    for _ in range(10):
        lasting.add(2.0)
    lasting.changed(2.0)
    assert lasting.windows(2.0) == pytest.approx(20.0)


def test_later_spans_move_it_and_a_longer_one_is_believed_at_once() -> None:
    lasting = Lasting()
    for span in (10, 20):
        for _ in range(span):
            lasting.add(1.0)
        lasting.changed(0.0)
    assert lasting.windows(1.0) == pytest.approx(15.0)
    for _ in range(40):
        lasting.add(1.0)
    assert lasting.windows(1.0) == pytest.approx(40.0)


def test_the_exposure_is_shorter_where_a_placement_does_not_hold() -> None:
    rng = np.random.default_rng(1)
    rate = rng.gamma(0.5, 0.2, 20_000)
    scores = rng.binomial(64, -np.expm1(-rate)) / 64
    mixture = RateMixture()
    mixture.learn(scores, 64)
    calm = mixture.better_exposure(0.1)
    hurried = mixture.better_exposure(0.1, np.minimum(1.0, 0.3 * FACTORS))
    assert hurried < calm
