"""The stopwatch in simulation: near to the best placement, without an exposure that is tuned."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mmscand.engine.estimates import Estimates
from mmscand.engine.stopwatch import Stopwatch
from mmscand.heat.watch_history import Rest
from mmscand.heat.word import SEEN
from mmscand.model import REGION_BYTES, PageBlock, Process
from mmscand.policy.ranking import Ranking
from mmscand.scan.visit import NoWatcher, Watcher
from mmscand.sim.case import Case, Figures, run_case
from mmscand.sim.placement import Run
from mmscand.sim.workloads import Frame, workload_named


@dataclass
class NoRoom:
    """See policy.ranking.Room."""

    pages: int = 0
    coming: int = 0

    def queued(self, process: Process) -> tuple[int, int]:
        return 0, 0


def row() -> PageBlock:
    """512 pages of the slow tier, accessed."""
    all_of_them = np.ones((1, 512), dtype=np.bool_)
    frames = np.arange(512, dtype=np.uint64)[None, :] << np.uint64(12)
    address = np.array([REGION_BYTES], dtype=np.uint64)
    return PageBlock(address, 1, frames, all_of_them, all_of_them.copy(), all_of_them)


def figures(
    workload: str, ratio: int = 8, intensity: float = 1.0, seed: int = 1, pages: int = 8192
) -> Figures:
    return run_case(Case(workload, "capacity", ratio, intensity, seed, pages))["figures"]


@pytest.mark.parametrize("intensity", [1.0, 10.0, 100.0])
def test_it_is_near_to_the_optimum_over_decades_of_intensity(intensity: float) -> None:
    assert figures("zipf-0.99", intensity=intensity)["steady_regret_pp"] < 1.0


@pytest.mark.parametrize("intensity", [1.0, 10.0])
def test_hot_pages_among_cold_ones_are_found_and_then_nothing_moves(intensity: float) -> None:
    found = figures("gups", intensity=intensity)
    assert found["steady_regret_pp"] < 0.1
    assert found["moves_percent"] < 0.1


def test_where_pages_are_used_alike_next_to_nothing_moves() -> None:
    assert figures("uniform", intensity=10.0)["moves_percent"] < 0.1


@pytest.mark.parametrize("intensity", [1.0, 10.0, 100.0])
def test_a_full_shift_is_noticed_and_followed(intensity: float) -> None:
    found = figures("gups-shift", intensity=intensity)
    assert found["recovery_periods"] is not None
    assert found["recovery_periods"] <= 20
    assert found["steady_regret_pp"] < 0.5


def test_a_quarter_of_the_hot_set_that_moves_is_noticed_and_followed() -> None:
    assert figures("quarter-moves", intensity=10.0)["steady_regret_pp"] < 0.5


def test_after_another_order_of_all_pages_what_was_known_counts_for_little() -> None:
    assert figures("zipf-shift", intensity=10.0)["steady_regret_pp"] < 3.0


def test_hot_pages_that_move_elsewhere_every_five_seconds_are_followed() -> None:
    found = figures("stairs", ratio=2, intensity=10.0)
    assert found["latency_ns"] < 1.25 * found["least_ns"]


def test_while_a_process_sleeps_its_round_goes_no_further() -> None:
    now = [5.0]
    policy = Stopwatch(Process(1, 1), Ranking(NoRoom(), lambda: now[0]), lambda: now[0])
    assert policy.begin_pass(now[0])
    policy.decide(row())
    policy.end_pass()
    due = policy.due_s
    now[0] = 605.0
    policy.slept(600.0)
    assert policy.due_s == pytest.approx(due + 600.0)
    now[0] = 606.0
    policy.slept(1.0)
    assert policy.due_s == pytest.approx(due + 601.0)
    assert not policy.begin_pass(now[0])


def test_a_pass_that_begins_in_a_round_does_not_end_it_however_long_it_takes() -> None:
    now = [5.0]
    policy = Stopwatch(Process(1, 1), Ranking(NoRoom(), lambda: now[0]), lambda: now[0])
    policy.begin_pass(now[0])
    policy.decide(row())
    policy.end_pass()
    now[0] = 5.2
    assert not policy.begin_pass(now[0])
    now[0] = 99.0  # the slot has found out that this pass ages nothing
    assert not policy.decide(row()).to_age.any()


def test_a_round_begins_when_bits_were_cleared_however_long_that_takes() -> None:
    now = [5.0]
    policy = Stopwatch(Process(1, 1), Ranking(NoRoom(), lambda: now[0]), lambda: now[0])
    assert policy.decide(row()).to_age.any()
    now[0] = 7.0
    policy.aged(row())
    policy.end_pass()
    assert policy.due_s == pytest.approx(7.0, abs=0.001)
    _, times = policy.history.meet(row(), now[0])
    assert times.cleared.tolist() == times.read.tolist() == [6.0]
    assert not policy.begin_pass(7.2)  # a round of a second


def test_rows_that_rested_in_a_pass_are_not_forgotten_when_it_ends_with_a_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All cold memory was forgotten with each change, where a whole GiB of it rested."""

    def changed(self: Estimates, fits: int) -> bool:
        self.history.wake()
        return True

    policy = Stopwatch(Process(1, 1), Ranking(NoRoom(), lambda: 5.0), lambda: 5.0)
    rest = Rest(np.array([3]), np.array([60.0]), np.array([1.0]))
    policy.begin_pass(5.0)
    policy.history.put(row(), policy.history.words(row()), 5.0, cleared=True, rest=rest)
    policy.end_pass()
    assert policy.history.rests(row().addresses).all()
    monkeypatch.setattr(Estimates, "end_pass", changed)
    policy.end_pass()
    assert policy.history.pages == 512
    assert not policy.history.rests(row().addresses).any()


def test_a_page_that_is_queued_is_not_on_watch_as_its_bit_is_not_cleared() -> None:
    now, room = [5.0], NoRoom(pages=512)
    ranking = Ranking(room, lambda: now[0])
    policy = Stopwatch(Process(1, 1), ranking, lambda: now[0])
    went_up = np.zeros((1, 512), dtype=np.bool_)
    while not went_up.any():
        decision = policy.decide(row())
        policy.end_pass()
        went_up = decision.promote
        assert not (decision.to_age & decision.promote).any()
        assert now[0] < 60.0
        now[0] += 0.3
    words = policy.history.words(row())
    assert (words[went_up] & SEEN != 0).all()
    assert (words[decision.to_age] & SEEN == 0).all()


def test_promoted_pages_are_not_chosen_again() -> None:
    now, room = [5.0], NoRoom(pages=512)
    policy = Stopwatch(Process(1, 1), Ranking(room, lambda: now[0]), lambda: now[0])
    fast, passes_after = np.zeros((1, 512), dtype=np.bool_), 0
    while passes_after < 6:
        block = replace(row(), slow=~fast)
        decision = policy.decide(block)
        policy.queued(promoted=int(decision.promote.sum()), demoted=0)
        policy.end_pass()
        assert not (decision.promote & fast).any()
        passes_after += int(fast.any())
        fast |= decision.promote
        assert now[0] < 60.0
        now[0] = max(now[0] + 0.001, policy.due_s)


@pytest.mark.parametrize("intensity", [1.0, 10.0, 100.0])
def test_huge_pages_whose_bit_is_set_at_each_look_are_distinguished(intensity: float) -> None:
    found = figures("huge", intensity=intensity, pages=4096)
    assert found["steady_regret_pp"] < 2.0
    assert found["latency_ns"] < 1.10 * found["least_ns"]


def test_huge_pages_that_are_accessed_within_each_read_are_distinguished() -> None:
    found = figures("huge", intensity=100.0, pages=8192)
    assert found["steady_regret_pp"] < 2.0
    assert found["latency_ns"] < 1.05 * found["least_ns"]


def test_moves_that_cannot_pay_are_not_made() -> None:
    found = figures("stairs", intensity=0.1)
    assert found["latency_ns"] < 1.01 * found["least_ns"]


def test_a_streaming_pass_displaces_little() -> None:
    swept = [figures("stream", intensity=10.0, seed=seed)["swept_percent"] for seed in (1, 2, 3)]
    assert None not in swept
    assert np.median(np.array(swept, dtype=np.float64)) < 1.0


def test_the_same_case_gives_the_same_figures() -> None:
    case = Case("phases", "capacity", 8, 10.0, 3, pages=2048, windows=30.0)
    assert run_case(case) == run_case(case)


class EveryPage(NoWatcher):
    """A recording beside the daemon."""

    wants_all = True


def test_for_a_recording_every_page_is_observed_in_each_round() -> None:
    def cleared(watcher: Watcher | None) -> int:
        workload = workload_named("gups", Frame(8192, 910, 30, 10.0, 1))
        run = Run(workload, "capacity", 910, 1, watcher=watcher)
        while run.now < 30:
            run.visit(30)
        return run.trace.cleared

    assert cleared(EveryPage()) > 1.3 * cleared(None)


def test_rates_of_hot_pages_stay_right_in_a_calm() -> None:
    """Set bits of pages that are accessed all the time are no reason to take them for colder."""
    frame = Frame(8192, 910, 120.0, 10.0, 1)
    run = Run(workload_named("gups", frame), "capacity", frame.capacity, 1)
    while run.now < frame.windows:
        run.visit(frame.windows)
    hot = [kind for kind in run.world.rates()[0].rates if kind[0] > 20]
    mean = sum(rate * (slow + fast) for rate, slow, fast in hot) / sum(
        slow + fast for _, slow, fast in hot
    )
    assert mean == pytest.approx(90, rel=0.15)


@pytest.mark.parametrize("intensity", [1.0, 10.0, 100.0])
def test_of_an_equally_hot_set_that_does_not_fit_nothing_moves_after_the_fill(
    intensity: float,
) -> None:
    """Pages trade places only for a gain, and chance is none: 1638 are hot, 1365 fit."""
    frame = Frame(16384, 1365, 180.0, intensity, 1)
    run = Run(workload_named("gups", frame), "capacity", frame.capacity, 1)
    while run.now < 120:
        run.visit(120)
    filled, before = run.world.fast, len(run.trace.up)
    while run.now < frame.windows:
        run.visit(frame.windows)
    assert sum(run.trace.up[before:]) <= 0.002 * frame.capacity
    assert np.count_nonzero(filled) >= 0.99 * frame.capacity
