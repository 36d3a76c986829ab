"""The CPU budget against a clock that jumps."""

import threading

import pytest

from mmscand.scan.budget import WINDOW_S, CpuBudget
from mmscand.settings import Settings


class FakeClock:
    def __init__(self) -> None:
        self.time = 1000.0
        self.cpu = 5.0

    def now(self) -> float:
        return self.time

    def thread_cpu(self) -> float:
        return self.cpu

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        raise AssertionError

    def work(self, seconds: float) -> None:
        self.time += seconds
        self.cpu += seconds


def budget_of(clock: FakeClock, **knobs: float) -> CpuBudget:
    budget = CpuBudget(clock, Settings(**knobs))
    budget.charge()
    return budget


def run(
    clock: FakeClock, budget: CpuBudget, seconds: float, window_s: float, *, urgent: bool = False
) -> list[float]:
    """Work whenever the budget allows; the moments at which a window was done."""
    done, end = [], clock.time + seconds
    while (ready_at := budget.ready_at(urgent=urgent)) < end:
        if ready_at > clock.time:
            clock.time = ready_at
            continue
        clock.work(window_s)
        budget.charge(urgent=urgent)
        done.append(clock.time)
    clock.time = end
    return done


def most_within(done: list[float], seconds: float, window_s: float, since: float = 0.0) -> float:
    """CPU seconds in the worst span of that length."""
    starts = [at for at in done if at >= since]
    return max(sum(window_s for at in done if start <= at < start + seconds) for start in starts)


@pytest.mark.parametrize("window_s", [0.0005, 0.002, 0.01])
def test_any_ten_seconds_of_ordinary_work_stay_in_the_average_and_use_most_of_it(
    window_s: float,
) -> None:
    clock = FakeClock()
    budget = budget_of(clock)
    done = run(clock, budget, 60, window_s)
    for start in range(1000, 1050):
        used = sum(window_s for at in done if start <= at < start + 10)
        assert used <= 0.1 + 0.005 + window_s  # the share, what is saved up, the window in flight
    assert 0.8 * 0.6 <= budget.used_s <= 1.05 * 0.6


def test_idle_time_is_not_saved_up() -> None:
    clock = FakeClock()
    budget = budget_of(clock)
    clock.time += 3600
    clock.work(0.1)
    assert not budget.charge()
    assert budget.ready_at() - clock.time == pytest.approx(0.095 / 0.01, rel=0.02)


def test_a_whole_core_is_no_limit_and_a_new_share_counts_at_once() -> None:
    clock = FakeClock()
    budget = budget_of(clock)
    clock.work(1.0)
    assert not budget.charge()
    budget.adopt(Settings(cpu_budget_percent=100.0))
    assert budget.charge()
    assert budget.ready_at() <= clock.time


def test_a_start_bursts_at_full_speed_up_to_its_bound_and_then_the_average_goes_on() -> None:
    clock = FakeClock()
    budget = budget_of(clock, cpu_burst_s=5.0)
    done = run(clock, budget, 60, 0.01, urgent=True)
    # The burst of the start, then what is left of the average: 0.8 of 6 s.
    assert len([at for at in done if at < 1011]) * 0.01 == pytest.approx(9.8, abs=0.2)
    assert budget.state.burst_left_s == pytest.approx(0, abs=0.1)
    assert run(clock, budget, 60, 0.001)  # nobody waits for ten minutes


@pytest.mark.parametrize("urgent_every_s", [30, 120, 900])
def test_after_the_first_ten_minutes_any_ten_stay_within_the_average_with_all_bursts(
    urgent_every_s: int,
) -> None:
    clock, window_s = FakeClock(), 0.01
    budget = budget_of(clock)
    done: list[float] = []
    for _ in range(3600 // urgent_every_s):
        done += run(clock, budget, urgent_every_s / 2, window_s, urgent=True)
        done += run(clock, budget, urgent_every_s / 2, window_s)
    assert (
        most_within(done, WINDOW_S, window_s, since=1000 + WINDOW_S) <= 0.01 * WINDOW_S + window_s
    )
    later = [at for at in done if at > 1000 + 2 * WINDOW_S]
    assert len(later) * window_s >= 0.7 * 0.01 * (3600 - 2 * WINDOW_S)


def test_a_long_time_after_the_start_a_change_may_use_what_is_left_of_the_average() -> None:
    clock = FakeClock()
    budget = budget_of(clock)
    clock.time += 3600
    done = run(clock, budget, 10, 0.01, urgent=True)
    assert len(done) * 0.01 == pytest.approx(0.8 * 6, abs=0.2)
    assert done[-50] - done[0] < 6  # at full speed


def test_bursts_can_be_turned_off() -> None:
    clock = FakeClock()
    budget = budget_of(clock, cpu_burst_s=0.0)
    done = run(clock, budget, 60, 0.002, urgent=True)
    assert len(done) * 0.002 <= 1.05 * 0.6


def test_what_promoting_saves_raises_the_average_up_to_its_bound_and_is_forgotten() -> None:
    clock = FakeClock()
    budget = budget_of(clock)
    budget.earn(120.0)  # a tenth of it in ten minutes: 2 % of a core
    assert budget.state.earned_percent == pytest.approx(2.0)
    assert budget.state.limit_percent == pytest.approx(3.0)
    assert len(run(clock, budget, 60, 0.002)) * 0.002 == pytest.approx(1.8, rel=0.1)
    budget.earn(1e6)
    assert budget.state.limit_percent == pytest.approx(11.0)
    clock.time += WINDOW_S + 20
    budget.charge()
    assert budget.state.limit_percent == pytest.approx(1.0)
