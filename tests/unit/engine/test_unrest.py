"""After a change estimates are doubted for a while, and the same change is not noticed twice."""

import pytest

from mmscand.engine.change_watch import Changed
from mmscand.engine.observation import CALM
from mmscand.engine.unrest import Unrest

PAGES = (8000, 1000)
RATE = 10.0


def begun(slow: float = 0.0, fast: float = 0.4) -> Unrest:
    unrest = Unrest()
    assert unrest.believes(100.0, Changed(slow, fast))
    assert unrest.begin(100.0, Changed(slow, fast), RATE, PAGES)
    return unrest


def test_nothing_is_doubted_before_the_first_change() -> None:
    unrest = Unrest()
    assert not unrest.settles
    assert unrest.doubt(5.0, fast=True) == unrest.doubt(5.0, fast=False) == CALM


def test_the_longer_nothing_changes_the_fewer_pages_are_taken_to_have_changed() -> None:
    unrest = Unrest()
    unrest.end_round(5.0)
    assert unrest.doubt(15.0, fast=True).changed == CALM.changed
    assert unrest.doubt(105.0, fast=True).changed == pytest.approx(CALM.changed / 10)
    unrest.begin(105.0, Changed(0.0, 0.4), RATE, PAGES)
    for _ in range(12):
        unrest.end_round(106.0)
    assert unrest.doubt(107.0, fast=True).changed == CALM.changed
    assert unrest.doubt(205.0, fast=True).changed == pytest.approx(CALM.changed / 10)


def test_what_left_the_fast_tier_s_hot_set_has_come_from_the_slow_tier() -> None:
    unrest = begun(fast=0.4)
    assert unrest.doubt(100.0, fast=True).changed == 0.4
    assert unrest.doubt(100.0, fast=False).changed == 0.4 * 1000 / 8000


def test_it_settles_after_three_rounds_and_three_accesses_of_a_usual_page() -> None:
    unrest = begun()
    for now in (100.1, 100.2, 100.25):
        unrest.end_round(now)
    assert unrest.settles
    unrest.end_round(100.31)
    assert not unrest.settles
    assert unrest.usual_rate is None


def test_pages_that_changed_are_found_by_their_first_observations() -> None:
    unrest = begun(fast=0.4)
    unrest.end_round(100.1)
    assert unrest.doubt(100.1, fast=True).changed < 0.2


def test_unlikely_observations_count_more_for_some_seconds() -> None:
    unrest = begun()
    assert unrest.doubt(104.9, fast=True).unlikely > CALM.unlikely
    assert unrest.doubt(105.1, fast=True).unlikely == CALM.unlikely


def test_the_rest_of_a_change_is_no_new_one_but_a_strong_sign_is_followed() -> None:
    unrest = begun()
    for now in (100.1, 100.2, 100.3, 100.4):
        unrest.end_round(now)
    assert not unrest.believes(101.0, Changed(0.1, 0.2))
    assert unrest.believes(101.0, Changed(0.0, 0.4))
    assert not unrest.begin(101.0, Changed(0.0, 0.4), RATE, PAGES)
    assert unrest.changes == 2


def test_later_a_weak_sign_is_a_change_too() -> None:
    unrest = begun()
    for now in (100.1, 100.2, 100.3, 100.4):
        unrest.end_round(now)
    assert unrest.believes(102.0, Changed(0.03, 0.0))
