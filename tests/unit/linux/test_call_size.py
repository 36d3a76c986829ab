"""Calls that begin small, and grow and shrink by the time that they take."""

import pytest

from mmscand.linux.aging import Ager
from mmscand.linux.call_size import LOCKED_S, CallSize
from mmscand.linux.huge_pages import HugePages
from mmscand.linux.moving import move_size


class World:
    """Calls that take so long for each unit."""

    def __init__(
        self, unit_s: float, *, first: int = 64, most: int = 65_536, longest_s: float = 0.010
    ) -> None:
        self.unit_s, self.fixed_s, self.now = unit_s, 0.0, 100.0
        self.size = CallSize(first, most, lambda: self.now, longest_s=longest_s)

    def call(self, units: int | None = None) -> float:
        used = self.size.size if units is None else units
        with self.size.timed(used):
            self.now += self.fixed_s + used * self.unit_s
        return self.fixed_s + used * self.unit_s


@pytest.mark.parametrize("unit_s", [1e-7, 2e-6, 60e-6, 1e-4])
def test_calls_settle_between_five_and_ten_milliseconds(unit_s: float) -> None:
    world = World(unit_s)
    assert world.call() <= 64 * unit_s  # the first one is small
    times = [world.call() for _ in range(40)]
    assert max(times) <= max(0.020, 64 * unit_s)
    assert all(0.0025 <= seconds <= 0.010 for seconds in times[-5:]) or world.size.size == 65_536


@pytest.mark.parametrize("unit_s", [1e-7, 2e-6, 60e-6])
def test_calls_that_hold_a_lock_settle_between_two_and_a_half_and_five_milliseconds(
    unit_s: float,
) -> None:
    world = World(unit_s, longest_s=LOCKED_S)
    times = [world.call() for _ in range(40)]
    assert max(times) <= 0.005
    assert min(times[-5:]) >= 0.00125 or world.size.size == 65_536


def test_a_call_that_is_not_full_says_nothing_of_larger_ones() -> None:
    world = World(1e-9)
    for _ in range(10):
        world.call(8)
    assert world.size.size == 64


def test_a_machine_that_becomes_slow_has_small_calls_again() -> None:
    world = World(1e-6)
    for _ in range(20):
        world.call()
    world.unit_s = 1e-3
    assert [world.call() for _ in range(20)][-1] <= 0.010


def test_what_a_call_takes_whatever_its_size_does_not_make_calls_small() -> None:
    world = World(1e-5)
    world.fixed_s = 0.012
    times = [world.call() for _ in range(40)]
    assert all(0.012 + 0.0025 <= seconds <= 0.012 + 0.012 for seconds in times[-5:])
    world.unit_s = world.fixed_s = 1e-4
    assert max([world.call() for _ in range(40)][-5:]) <= 0.015


def test_one_call_that_was_held_up_does_not_let_later_ones_take_long() -> None:
    world = World(1e-3)
    for _ in range(10):
        world.call()
    world.fixed_s = 2.0
    world.call()
    world.fixed_s = 0.0
    assert max([world.call() for _ in range(20)][1:]) <= 0.010


def test_a_call_that_fails_counts_too() -> None:
    world = World(0.0)

    def fails() -> None:
        with world.size.timed(64):
            world.now += 1.0
            raise OSError

    with pytest.raises(OSError):
        fails()
    assert world.size.size == 32


def test_calls_that_hold_the_mmap_lock_may_take_half_of_what_moves_may() -> None:
    """process_madvise holds it all the time, move_pages takes it for each page."""
    splits = HugePages(0, 0, pages=None).splits  # type: ignore[arg-type]
    limits = [size.longest_s for size in (Ager(0, 0).size, splits, move_size())]
    assert limits == [LOCKED_S, LOCKED_S, 2 * LOCKED_S]
