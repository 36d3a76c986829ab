"""The settings as shipped on a busy server, in simulated time with a real machine's costs."""

from collections import Counter

import pytest

from mmscand.scan.budget import WINDOW_S, CpuBudget
from mmscand.settings import Settings
from support.busy_server import BusyServer

MIB, GIB = 256, 256 << 10
"""In 4K pages."""


@pytest.mark.parametrize("small", [0, 300, 1500])
@pytest.mark.parametrize("fast_mib", [32, 1024])
def test_hot_pages_of_a_large_process_are_promoted_beside_many_small_ones(
    small: int, fast_mib: int
) -> None:
    server = BusyServer(256 * MIB, 23 * MIB, small, fast_mib * MIB)
    server.run(60, until=0.99)
    assert server.seconds_to(0.95) <= 15
    assert server.cold_promoted <= 0.01 * server.large_pages


def test_small_processes_are_looked_at_in_the_rest_and_waiting_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, charge = Counter[str](), CpuBudget.charge

    def counted(self: CpuBudget, *, urgent: bool = False) -> bool:
        asked["budget"] += 1
        return charge(self, urgent=urgent)

    monkeypatch.setattr(CpuBudget, "charge", counted)
    server = BusyServer(256 * MIB, 23 * MIB, 1500, 1024 * MIB)
    server.run(60)
    budget = server.status.budget
    assert budget is not None
    assert budget.waiting > 1000
    assert budget.round_s is not None
    assert 60 < budget.round_s < 600
    looked_at = sum(each.passes > 0 for each in server.status.processes)
    assert looked_at > 60  # 1 % of 60 s at 1 ms, a quarter of it and more
    # Those that wait are not asked one by one: that took more time than the budget has.
    visits = sum(each.passes for each in server.status.processes)
    assert asked["budget"] < 20 * visits


def test_a_large_process_of_4k_pages_is_promoted_by_the_burst_of_the_start() -> None:
    server = BusyServer(8 * GIB, GIB, 0, 2 * GIB)
    server.run(60, until=0.99)
    assert server.seconds_to(1e-9) <= 10
    assert server.seconds_to(0.95) <= 20


def test_after_the_first_ten_minutes_the_scanner_keeps_its_average_in_any_ten() -> None:
    server = BusyServer(1024 * MIB, 100 * MIB, 0, 128 * MIB)
    nothing_earned = Settings(accesses_per_bit=1, cpu_earned_percent=0.0)
    server.run(1800, settings=nothing_earned)
    assert server.most_spent_in(WINDOW_S, since=WINDOW_S) <= 0.01 * WINDOW_S


@pytest.mark.soak
def test_64_gib_of_4k_pages_with_a_tenth_hot() -> None:
    server = BusyServer(64 * GIB, 64 * GIB // 10, 0, 16 * GIB)
    server.run(90, until=0.99)
    print(f"first {server.seconds_to(1e-9):.1f} s, 95 % {server.seconds_to(0.95):.1f} s")
    assert server.seconds_to(1e-9) <= 10
    assert server.seconds_to(0.95) <= 60
