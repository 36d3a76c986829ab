"""When a process is visited, and which visits clear bits."""

from itertools import pairwise

import pytest

from mmscand.engine.rounds import PERIOD_S, SHORTEST_S, Rounds, first_read, usual_length


def moments(
    rounds: Rounds, number: int, *, edge: float | None, settles: float | None = None
) -> list[float]:
    """Times of the next visits, each made when it is due."""
    found = []
    for _ in range(number):
        now = rounds.due
        found.append(now)
        rounds.visited(now, edge, settles)
    return found


def started(edge: float | None = None, settles: float | None = None) -> Rounds:
    rounds = Rounds()
    assert rounds.ends(0.0)
    rounds.visited(0.0, edge, settles)
    return rounds


def test_reads_follow_a_clearing_at_growing_distances() -> None:
    rounds = started()
    found = moments(rounds, 7, edge=None)
    assert found[0] == SHORTEST_S
    assert [b / a for a, b in pairwise(found[:6])] == pytest.approx([3.0] * 5)
    assert found[6] <= PERIOD_S


def test_what_is_known_of_the_edge_saves_the_shortest_reads() -> None:
    assert moments(started(edge=2.0), 1, edge=2.0)[0] == pytest.approx(0.03)
    assert moments(started(edge=2.0, settles=2.0), 1, edge=2.0)[0] == SHORTEST_S


def test_where_all_rows_rest_nothing_is_read_before_the_next_decision() -> None:
    rounds = Rounds()
    rounds.visited(0.0, 2.0, None, rests=True)
    assert rounds.due == PERIOD_S
    assert not rounds.reads_soon  # nothing is late if that visit waits for the CPU budget
    rounds = started(edge=2.0)
    assert rounds.reads_soon


@pytest.mark.parametrize(("edge", "length"), [(100.0, PERIOD_S), (2.0, 0.8), (0.01, 2.0)])
def test_a_round_lasts_until_a_page_at_the_edge_was_accessed_most_likely(
    edge: float, length: float
) -> None:
    assert usual_length(edge, calm=False) == pytest.approx(length)
    rounds = started(edge)
    while not rounds.ends(rounds.due):
        rounds.visited(rounds.due, edge, None)
    assert rounds.due == pytest.approx(length)


def test_between_two_decisions_is_a_period_at_least_and_a_second_at_most() -> None:
    rounds, decided = started(0.01), [0.0]
    for _ in range(40):
        now = rounds.due
        if rounds.decides(now):
            decided.append(now)
        rounds.visited(now, 0.01, None)
    spans = [b - a for a, b in pairwise(decided)]
    assert min(spans) > PERIOD_S / 2  # the last one of a round may be cut
    assert max(spans) <= 1.0 + 1e-9


def test_a_round_can_end_early_but_no_sooner_than_after_a_period() -> None:
    rounds = started(0.01)
    rounds.visited(0.02, 0.01, None)
    rounds.end_early()
    assert rounds.due <= PERIOD_S
    assert rounds.ends(rounds.due)


def test_after_a_change_the_next_visit_clears_at_once() -> None:
    rounds = started(2.0)
    rounds.visited(0.3, 2.0, None)
    rounds.end_early(at_once=True)
    assert rounds.due == 0.3
    rounds.visited(rounds.due, 2.0, 2.0)
    assert not rounds.at_once
    assert rounds.due == pytest.approx(0.3 + SHORTEST_S)


def test_a_visit_that_comes_late_ends_the_round_that_is_over() -> None:
    rounds = started(2.0)
    assert rounds.ends(7.0)
    rounds.visited(7.0, 2.0, None)
    assert 7.0 < rounds.due < 7.1


def test_sleep_makes_a_round_longer() -> None:
    rounds = started(2.0)
    due = rounds.due
    rounds.slept(100.0)
    assert rounds.due == pytest.approx(due + 100.0)
    assert not rounds.ends(100.5)


def test_in_a_calm_visits_are_few() -> None:
    rounds, visits = Rounds(), 0
    rounds.visited(0.0, 50.0, None, calm=True)
    while rounds.due < 100.0:
        rounds.visited(rounds.due, 50.0, None, calm=True)
        visits += 1
    assert 200 < visits <= 500
    assert not rounds.ends(rounds.due - 0.5)


def test_there_is_no_calm_while_a_change_settles() -> None:
    rounds = Rounds()
    rounds.visited(0.0, 50.0, 50.0, calm=True)
    assert rounds.due == SHORTEST_S
    assert rounds.ends(PERIOD_S)


def test_the_first_read_is_as_soon_as_a_page_at_the_edge_needs_it() -> None:
    assert first_read(60.0, calm=False) == pytest.approx(0.001)
    assert first_read(60.0, calm=True) == pytest.approx(0.005)
    assert first_read(1e6, calm=False) == SHORTEST_S
