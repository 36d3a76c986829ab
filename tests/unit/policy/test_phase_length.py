"""How long placements hold, by the changes that were seen."""

import pytest

from mmscand.policy.phase_length import PhaseLength


def test_until_a_change_is_seen_a_placement_holds_as_long_as_is_guessed_or_longer() -> None:
    length = PhaseLength(5.0)
    assert length.expected(7.0, guess=200.0) == 200.0
    assert length.expected(705.0, guess=200.0) == 700.0


def test_the_first_span_counts_whole_and_the_next_begins_where_it_ended() -> None:
    length = PhaseLength(5.0)
    length.changed(25.0)
    assert length.expected(25.0, guess=200.0) == pytest.approx(20.0)
    assert length.expected(55.0, guess=200.0) == pytest.approx(30.0)


def test_later_spans_move_it_and_a_longer_one_is_believed_at_once() -> None:
    length = PhaseLength()
    length.changed(10.0)
    length.changed(30.0)
    assert length.expected(30.0, guess=200.0) == pytest.approx(15.0)
    assert length.expected(70.0, guess=200.0) == pytest.approx(40.0)
