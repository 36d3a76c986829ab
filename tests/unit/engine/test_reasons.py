"""What keeps pages on the slow tier."""

import numpy as np
import pytest

from mmscand.engine.rate_table import RateTable
from mmscand.engine.reasons import placement
from mmscand.heat.kind_counts import KindCounts
from mmscand.heat.word import KINDS, OBSERVED_LEVELS, RATE, RATE_LEVELS, STATES, STUCK, UNKNOWN
from mmscand.policy.plan import NOTHING, Plan
from mmscand.reasons import HOT, REASONS

SLOW, FAST = 0, 0x800
CERTAIN, ONCE = OBSERVED_LEVELS - 1, 1


def state(rate: float, observed: int = CERTAIN) -> int:
    level = int(np.argmin(np.abs(RATE - rate)))
    return observed * RATE_LEVELS + level


def kinds(**pages: int) -> np.ndarray:
    """Certain pages by their name: hot 100, warm 5, idle 0.002 accesses a second."""
    made = np.zeros(KINDS, dtype=np.intp)
    for name, number in pages.items():
        made[WORDS[name]] = number
    return made


WORDS = {
    "hot": SLOW | state(100.0),
    "hot_once": SLOW | state(100.0, ONCE),
    "warm": SLOW | state(5.0),
    "idle": SLOW | state(0.002),
    "new": SLOW | int(UNKNOWN),
    "stuck": SLOW | int(STUCK),
    "up": FAST | state(100.0),
}
NONE = np.zeros(2 * STATES, dtype=np.intp)
PLAN = Plan(50.0, 100, float("-inf"), 0, belongs_from=50.0)


@pytest.fixture
def table() -> RateTable:
    made = RateTable()
    made.learn(kinds(hot=1000, warm=1000, idle=1000).reshape(4, STATES).sum(axis=0))
    return made


def test_each_page_of_the_slow_tier_has_one_reason(table: RateTable) -> None:
    pages = kinds(hot=10, hot_once=4, warm=20, idle=300, new=7, stuck=9, up=50)
    made = placement(KindCounts(pages), NONE, table, PLAN, 0.1, 0)
    assert made.slow == {
        **{"planned": 10, "unsure": 4, "no_room": 20},
        **{"cold": 300, "unknown": 7, "shared": 9},
    }
    assert made.sizes == (350, 50)
    assert made.hot_slow == 34
    assert sum(made.slow.values()) == made.sizes[0]


def test_queued_pages_are_taken_from_the_hottest(table: RateTable) -> None:
    made = placement(KindCounts(kinds(hot=10, warm=20)), NONE, table, PLAN, 0.1, 12)
    assert made.slow == {"queued": 12, "no_room": 18}


def test_pages_that_would_not_move_are_refused_if_they_are_hot(table: RateTable) -> None:
    left_out = NONE.copy()
    left_out[WORDS["hot"]], left_out[WORDS["idle"]] = 6, 100
    made = placement(KindCounts(kinds(hot=10, idle=300)), left_out, table, PLAN, 0.1, 0)
    assert made.slow == {"refused": 6, "planned": 4, "cold": 300}


def test_without_a_plan_hot_pages_have_no_room(table: RateTable) -> None:
    made = placement(KindCounts(kinds(hot=10, idle=5)), NONE, table, NOTHING, 0.1, 0)
    assert made.slow == {"no_room": 10, "cold": 5}


def test_rates_are_those_that_were_learned(table: RateTable) -> None:
    made = placement(KindCounts(kinds(hot=10, up=5, new=3)), NONE, table, PLAN, 0.1, 0)
    assert made.pages.sum(axis=1).tolist() == [10, 5]
    assert made.rates.tolist() == pytest.approx([100.0], rel=0.2)
    assert (made.variances < 0.1 * made.rates**2).all()


def test_reasons_of_hot_pages_are_reasons() -> None:
    assert set(HOT) < set(REASONS)
