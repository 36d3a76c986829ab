"""How long placements hold, and what that says of the exposure."""

import numpy as np
import pytest

from mmscand.policy.rates import FACTORS, RateMixture
from mmscand.policy.tuning import Lasting


def test_until_a_change_is_seen_a_placement_holds_as_long_as_is_guessed_or_longer() -> None:
    lasting = Lasting(5.0)
    assert lasting.lasts(7.0, guess=200.0) == 200.0
    assert lasting.lasts(705.0, guess=200.0) == 700.0


def test_the_first_span_counts_whole_and_the_next_begins_where_it_ended() -> None:
    lasting = Lasting(5.0)
    lasting.changed(25.0, ago=2.0)
    assert lasting.lasts(25.0, guess=200.0) == pytest.approx(20.0)
    assert lasting.lasts(53.0, guess=200.0) == pytest.approx(30.0)


def test_later_spans_move_it_and_a_longer_one_is_believed_at_once() -> None:
    lasting = Lasting()
    lasting.changed(10.0)
    lasting.changed(30.0)
    assert lasting.lasts(30.0, guess=200.0) == pytest.approx(15.0)
    assert lasting.lasts(70.0, guess=200.0) == pytest.approx(40.0)


def test_the_exposure_is_shorter_where_a_placement_does_not_hold() -> None:
    rng = np.random.default_rng(1)
    rate = rng.gamma(0.5, 0.2, 20_000)
    scores = rng.binomial(64, -np.expm1(-rate)) / 64
    mixture = RateMixture()
    mixture.learn(scores, 64)
    calm = mixture.better_exposure(0.1)
    hurried = mixture.better_exposure(0.1, np.minimum(1.0, 0.3 * FACTORS))
    assert hurried < calm
