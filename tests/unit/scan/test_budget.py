"""The CPU budget against a clock that jumps."""

import threading

import pytest

from mmscand.scan.budget import CpuBudget


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


def run(clock: FakeClock, budget: CpuBudget, seconds: float, window_s: float) -> list[float]:
    """Work whenever the budget allows; the moments at which a window was done."""
    done, end = [], clock.time + seconds
    while clock.time < end:
        clock.time = max(clock.time, budget.ready_at)
        clock.work(window_s)
        budget.charge()
        done.append(clock.time)
    return done


@pytest.mark.parametrize("window_s", [0.0005, 0.002, 0.01])
def test_any_ten_seconds_stay_in_the_budget_and_use_most_of_it(window_s: float) -> None:
    clock = FakeClock()
    budget = CpuBudget(clock, 1.0)
    budget.charge()
    done = run(clock, budget, 60, window_s)
    for start in range(1000, 1050):
        used = sum(window_s for at in done if start <= at < start + 10)
        assert used <= 0.1 + 0.005 + window_s  # the share, the burst, the window in flight
    assert 0.8 * 0.6 <= budget.used_s <= 1.05 * 0.6


def test_idle_time_is_not_saved_up() -> None:
    clock = FakeClock()
    budget = CpuBudget(clock, 1.0)
    budget.charge()
    clock.time += 3600
    clock.work(0.1)
    assert not budget.charge()
    assert budget.ready_at - clock.time == pytest.approx(0.095 / 0.01, rel=0.02)


def test_a_whole_core_is_no_limit_and_a_new_share_counts_at_once() -> None:
    clock = FakeClock()
    budget = CpuBudget(clock, 1.0)
    budget.charge()
    clock.work(1.0)
    assert not budget.charge()
    budget.set_percent(100.0)
    assert budget.charge()
    assert budget.ready_at - clock.time <= 1.0
