"""What was seen beside what was expected."""

import pytest

from mmscand.policy.seen import Seen, share_of


def seen(hits: int, used: int) -> Seen:
    """A hundred pages of either tier: 80 are expected to be accessed, and 20."""
    return Seen(
        fast=100, hits=hits, expected_hits=80.0, slow=100, used=used, expected_slow_share=0.2
    )


def test_a_program_that_slows_down_is_less_active_and_one_that_hurries_is_not_more() -> None:
    assert seen(80, 10).activity(0.7) == pytest.approx(0.5)
    assert seen(80, 40).activity(0.7) == 1.0
    assert Seen(slow=100, used=3).activity(0.7) == 0.7  # nothing was expected


@pytest.mark.parametrize(("used", "rises"), [(200, False), (390, False), (410, True)])
def test_a_rise_is_twice_what_was_expected(used: int, rises: bool) -> None:
    assert Seen(slow=1000, used=used, expected_slow_share=0.2).rises == rises


@pytest.mark.parametrize(("used", "rises"), [(5, False), (7, True)])
def test_where_nothing_was_expected_a_few_are_no_rise(used: int, rises: bool) -> None:
    assert Seen(slow=1000, used=used).rises == rises


@pytest.mark.parametrize(
    ("hits", "used", "agrees"), [(80, 20, 1.0), (50, 20, 0.5), (20, 20, 0.0), (99, 0, 1.0)]
)
def test_agreement_is_of_what_sets_the_tiers_apart(hits: int, used: int, agrees: float) -> None:
    assert seen(hits, used).agreement(0.7) == pytest.approx(agrees)


def test_where_only_one_tier_was_looked_at_it_is_what_it_was() -> None:
    assert Seen(slow=5).agreement(0.7) == 0.7
    assert Seen(fast=5).agreement(0.7) == 0.7
    assert Seen().slow_share is None


def test_where_nothing_was_expected_to_be_so_nothing_is() -> None:
    assert share_of(0.5, 0.0) == share_of(0.5, -0.1) == 0.0
