"""One ranking over all processes: what each has counted, and what has moved since."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from mmscand.model import Process
from mmscand.policy.counted import Counted
from mmscand.policy.plan import NOTHING
from mmscand.policy.ranking import Ranking

ONE, OTHER, THIRD = Process(1, 1), Process(2, 2), Process(3, 3)


@dataclass
class World:
    """Room that a test sets, and a clock that goes on by a second when it is asked."""

    pages: int = 0
    coming: int = 0
    waiting: dict[Process, tuple[int, int]] = field(default_factory=dict)
    time_s: float = 0.0

    def queued(self, process: Process) -> tuple[int, int]:
        return self.waiting.get(process, (0, 0))

    def now(self) -> float:
        return self.time_s

    def ranking(self) -> Ranking:
        return Ranking(self, self.now)


def tell(ranking: Ranking, process: Process, rate: float, slow: int, fast: int) -> None:
    """All its pages have one rate."""
    ranking.begin(process)
    ranking.update(process, counted(rate, slow, fast))


def counted(rate: float, slow: int, fast: int, deferred: int = 0) -> Counted:
    pages = np.array([[slow], [fast]])
    return Counted(np.array([rate]), pages, np.zeros_like(pages[0]), deferred=deferred)


def test_nothing_is_planned_while_nothing_is_known() -> None:
    assert World(pages=100).ranking().plan == NOTHING


def test_hot_pages_of_one_process_take_the_place_of_cold_ones_of_another() -> None:
    world = World()
    ranking = world.ranking()
    tell(ranking, ONE, 9.0, 100, 0)
    tell(ranking, OTHER, 0.01, 0, 400)
    plan = ranking.plan
    assert (plan.demote_pages, plan.demote_to, plan.promote_pages) == (100, 0.01, 0)
    ranking.reserve(OTHER, promoted=0, demoted=100)
    assert (ranking.plan.demote_pages, ranking.plan.promote_pages) == (0, 100)
    world.time_s, world.pages = 1.0, 100  # they are on their way, and counted as room
    plan = ranking.plan
    assert (plan.promote_pages, plan.promote_from, plan.demote_pages) == (100, 9.0, 0)
    ranking.reserve(ONE, promoted=100, demoted=0)
    world.time_s, world.pages = 2.0, 0
    assert (ranking.plan.promote_pages, ranking.plan.demote_pages) == (0, 0)


def test_what_still_waits_when_a_process_reports_is_not_planned_again() -> None:
    world = World(pages=0, waiting={ONE: (100, 0)})
    ranking = world.ranking()
    tell(ranking, ONE, 9.0, 100, 0)
    tell(ranking, OTHER, 0.01, 0, 400)
    assert ranking.plan.demote_pages == 0


def test_what_was_queued_after_it_was_counted_is_not_planned_again() -> None:
    world = World()
    ranking = world.ranking()
    tell(ranking, OTHER, 0.01, 0, 400)
    ranking.begin(ONE)
    ranking.reserve(ONE, promoted=100, demoted=0)  # and moved, before its pass is over
    ranking.update(ONE, counted(9.0, 100, 0))
    assert ranking.plan.demote_pages == 0
    ranking.begin(ONE)
    ranking.update(ONE, counted(9.0, 50, 100))
    world.time_s = 1.0
    assert ranking.plan.demote_pages == 50


def test_a_process_that_asked_for_room_gets_it_from_one_that_makes_some() -> None:
    ranking = World().ranking()
    ranking.begin(ONE)
    ranking.update(ONE, counted(9.0, 100, 0, deferred=80))
    tell(ranking, OTHER, 0.01, 0, 400)
    assert ranking.plan.trades == 100
    assert ranking.deferred == 80
    ranking.reserve(OTHER, promoted=0, demoted=30)
    assert ranking.deferred == 50


def demoted_after(*changing: Process) -> int:
    """Pages that are to be demoted after twenty seconds, in each of which these have changed."""
    world = World()
    ranking = world.ranking()
    for _ in range(20):
        tell(ranking, ONE, 9.0, 100, 0)
        tell(ranking, OTHER, 0.01, 0, 400)
        world.time_s += 1.0
        for process in changing:
            ranking.changed(process)
    return ranking.plan.demote_pages


def test_where_what_is_hot_changes_every_second_nothing_is_traded() -> None:
    assert demoted_after() == 100
    assert demoted_after(ONE, OTHER) == 0


def test_only_pages_of_the_process_that_changes_have_to_pay_sooner() -> None:
    assert demoted_after(ONE) == 0  # nine accesses in the second that a page stays hot: no gain
    assert demoted_after(OTHER) == 100
    world = World()
    ranking = world.ranking()
    for _ in range(20):
        tell(ranking, OTHER, 12.0, 100, 0)  # hotter, but it changes each second
        tell(ranking, ONE, 9.0, 100, 0)
        tell(ranking, THIRD, 0.01, 0, 400)
        world.time_s += 1.0
        ranking.changed(OTHER)
    assert ranking.plan.demote_pages == 100
    assert ranking.plan_for(ONE).promote_from == 9.0
    assert ranking.plan_for(OTHER).promote_from > 12.0


def test_no_known_page_is_demoted_for_room_while_others_may_be_colder() -> None:
    """As after a start: a hot process was visited twice, the idle one beside it once."""
    world = World(pages=-50)
    ranking = world.ranking()
    tell(ranking, ONE, 9.0, 100, 400)
    ranking.count(OTHER, np.array([0, 400]), unknown=400)
    assert not ranking.gives(ONE)
    assert ranking.plan.promote_pages == 0
    ranking.count(OTHER, np.array([0, 400]), unknown=0)
    tell(ranking, OTHER, 0.01, 0, 400)
    world.time_s = 1.0
    assert ranking.plan.demote_pages == 150
    assert ranking.gives(OTHER)
    assert not ranking.gives(ONE)


def test_known_cold_pages_give_way_while_many_processes_are_not_known_yet() -> None:
    world = World()
    ranking = world.ranking()
    tell(ranking, ONE, 9.0, 100, 0)
    tell(ranking, THIRD, 0.002, 0, 300)
    ranking.count(OTHER, np.array([0, 4000]), unknown=4000)
    plan = ranking.plan
    assert (plan.trades, plan.demote_pages, plan.demote_to) == (100, 100, 0.002)
    assert ranking.gives(THIRD)


def test_a_process_gives_pages_if_the_plan_wants_any_as_cold_as_its_own() -> None:
    world = World()
    ranking = world.ranking()
    tell(ranking, ONE, 9.0, 100, 0)
    tell(ranking, OTHER, 0.01, 0, 400)
    assert ranking.gives(OTHER)
    assert not ranking.gives(ONE)
    world.time_s, world.pages = 1.0, 1000  # there is room now
    assert not ranking.gives(OTHER)


def test_no_more_is_moved_than_one_fill_before_anything_came_in() -> None:
    world = World()
    ranking = world.ranking()
    tell(ranking, ONE, 0.3, 5000, 0)
    tell(ranking, OTHER, 0.0, 0, 400)
    assert ranking.credit_percent is None
    assert ranking.plan.trades == 400
    assert ranking.credit_percent == 100
    ranking.reserve(ONE, promoted=400, demoted=0)
    assert ranking.credit_percent == 0
    ranking.reserve(OTHER, promoted=0, demoted=400)
    tell(ranking, ONE, 0.3, 5000, 0)
    tell(ranking, OTHER, 0.0, 0, 400)
    world.time_s, world.pages = 0.3, -100
    plan = ranking.plan
    assert plan.trades < 20
    assert plan.demote_pages == plan.trades + 100  # too much is too much


def test_a_plan_is_kept_for_a_quarter_of_a_second() -> None:
    world = World(pages=10)
    ranking = world.ranking()
    tell(ranking, ONE, 9.0, 100, 0)
    assert ranking.plan.promote_pages == 10
    world.pages = 50
    assert ranking.plan.promote_pages == 10
    world.time_s = 0.3
    assert ranking.plan.promote_pages == 50


def test_with_a_thousand_processes_a_plan_is_kept_for_a_second_and_for_small_ones() -> None:
    world = World(pages=10)
    ranking = world.ranking()
    small = [Process(number, number) for number in range(10, 1010)]
    for process, pages in [(ONE, 100_000), *((each, 10) for each in small)]:
        ranking.count(process, np.array([pages, 0]))
        tell(ranking, process, 9.0, pages, 0)
    assert ranking.plan.promote_pages == 10
    world.pages, world.time_s = 50, 0.9
    tell(ranking, small[0], 9.0, 10, 0)
    assert ranking.plan.promote_pages == 10
    tell(ranking, ONE, 9.0, 100_000, 0)
    assert ranking.plan.promote_pages == 50
    world.pages, world.time_s = 70, 2.0
    assert ranking.plan.promote_pages == 70


def test_a_process_that_has_left_is_not_ranked() -> None:
    world = World(pages=10)
    ranking = world.ranking()
    tell(ranking, ONE, 9.0, 100, 0)
    ranking.leave(ONE)
    assert ranking.plan == NOTHING
    ranking.reserve(ONE, promoted=5, demoted=0)  # its last visit may have queued some


def test_how_much_fits_is_of_all_pages_known_or_not() -> None:
    world = World(pages=100)
    ranking = world.ranking()
    assert ranking.fits == 1.0
    ranking.count(ONE, np.array([300, 50]))
    ranking.count(OTHER, np.array([200, 50]))
    assert ranking.fits == 200 / 600
    world.pages = -500
    assert ranking.fits == 0.0
    world.pages = 100
    ranking.leave(OTHER)
    assert ranking.fits == 150 / 350


def test_no_credit_is_earned_while_everybody_sleeps() -> None:
    world = World()
    ranking = world.ranking()
    for seconds in (0.0, 1.0, 2.0):  # passes a second apart
        world.time_s = seconds
        tell(ranking, ONE, 5.0, 9000, 1000)
        assert ranking.plan
    ranking.reserve(ONE, promoted=950, demoted=0)
    before = ranking.credit_percent
    world.time_s += 3600  # it is not visited, and says nothing
    assert ranking.plan
    earned = ranking.credit_percent
    assert before is not None and earned is not None
    assert earned - before <= 10


def test_what_the_plan_has_of_each_process_is_its_share_of_what_is_as_hot() -> None:
    world = World(pages=60)
    ranking = world.ranking()
    assert ranking.planned(ONE) is None
    tell(ranking, ONE, 9.0, 100, 0)
    tell(ranking, OTHER, 9.0, 20, 0)
    world.time_s += 1.0
    found = ranking.planned(ONE)
    assert found is not None
    assert (found.promote, found.demote, found.demote_to) == (50, 0, None)
    assert (found.promote_from, found.gained) == (9.0, 50 * 9.0)
    other = ranking.planned(OTHER)
    assert other is not None
    assert other.promote == 10


def test_a_trade_gains_what_the_colder_page_is_accessed_less() -> None:
    world = World(pages=0)
    ranking = world.ranking()
    tell(ranking, ONE, 9.0, 100, 0)
    tell(ranking, OTHER, 0.5, 0, 1000)
    world.time_s += 1.0
    up, down = ranking.planned(ONE), ranking.planned(OTHER)
    assert up is not None
    assert down is not None
    assert (up.promote, up.demote) == (100, 0)
    assert (down.promote, down.demote, down.demote_to) == (0, 100, 0.5)
    assert (up.gained, down.gained) == (900.0, pytest.approx(-50.0))
