"""Sums over all processes that a ranking keeps are those that adding up gives."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from mmscand.model import Process
from mmscand.policy.counted import Counted
from mmscand.policy.ranking import Ranking

PROCESSES = [Process(number, number) for number in range(1, 4)]
PAGES = st.integers(0, 1000)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["count", "update", "reserve", "leave"]), st.integers(0, 2), PAGES, PAGES
    ),
    max_size=30,
)


class NoRoom:
    pages = coming = 0

    def queued(self, process: Process) -> tuple[int, int]:
        return 0, 0


def counted(slow: int, fast: int, deferred: int) -> Counted:
    """Hot pages on the slow tier, and cold ones on the fast tier: they trade places."""
    pages = np.array([[slow, 0], [0, fast]])
    return Counted(np.array([9.0, 0.01]), pages, np.zeros_like(pages[0]), deferred=deferred)


@given(STEPS)
@example([("update", 0, 100, 100), ("reserve", 0, 0, 50)])
def test_whatever_happens_to_processes(steps: list[tuple[str, int, int, int]]) -> None:
    ranking = Ranking(NoRoom(), iter(range(1 << 30)).__next__)
    for step, at, first, second in steps:
        process = PROCESSES[at]
        if step == "count":
            ranking.count(process, np.array([first, second]))
        elif step == "update":
            ranking.begin(process)
            ranking.update(process, counted(first, second, deferred=first))
        elif step == "reserve":
            ranking.plan  # noqa: B018 - made now, for trades
            ranking.reserve(process, promoted=0, demoted=second)
        else:
            ranking.leave(process)
        members = list(ranking._members.values())
        assert ranking.deferred == sum(member.deferred for member in members)
        fast = sum(int(member.sizes[1]) for member in members)
        every = sum(int(member.sizes.sum()) for member in members)
        assert ranking.fits == min(1.0, fast / max(1, every))


def test_a_trade_takes_from_what_waits() -> None:
    ranking = Ranking(NoRoom(), iter(range(1 << 30)).__next__)
    ranking.update(PROCESSES[0], counted(100, 100, deferred=80))
    assert (ranking.plan.trades, ranking.deferred) == (100, 80)
    ranking.reserve(PROCESSES[0], promoted=0, demoted=30)
    assert ranking.deferred == 50
