"""Workloads and policies: deterministic, keeps to capacity, and counts what happened."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest

from mmscand.engine.rounds import PERIOD_S
from mmscand.model import BoolArray, PageNumbers
from mmscand.scan.visit import Watcher
from mmscand.settings import PolicyName
from mmscand.sim import placement
from mmscand.sim.placement import Run, Trace, simulate
from mmscand.sim.workloads import WORKLOADS, Frame, workload_named
from mmscand.sim.world import FAST, SLOW, World

PAGES, CAPACITY = 4096, 455
NONE: PageNumbers = np.empty(0, dtype=np.intp)


def run(
    name: str,
    policy: str = "capacity",
    seed: int = 1,
    intensity: float = 1.0,
    windows: float = 40.0,
) -> Trace:
    workload = workload_named(name, Frame(PAGES, CAPACITY, windows, intensity, seed))
    return simulate(workload, policy, CAPACITY, windows, seed)


@dataclass(frozen=True)
class Moves:
    """Pages that are promoted and down."""

    up: PageNumbers = field(default_factory=lambda: NONE)
    down: PageNumbers = field(default_factory=lambda: NONE)


class Scripted(World):
    """In place of the daemon: once a second all bits are cleared, and given moves are made."""

    clears = True

    def __init__(
        self,
        policy: str,
        pages: int,
        capacity: int,
        *,
        processes: int = 1,
        watcher: Watcher | None = None,
    ) -> None:
        super().__init__(policy, pages, capacity, processes=processes, watcher=watcher)
        self.moves: list[Moves] = []
        self.seen: list[BoolArray] = []
        self.were_fast: list[BoolArray] = []

    def step(self, now: float) -> float:
        self.clock.time = now
        self.machine.program()
        self.seen.append(self.accessed.copy())
        self.were_fast.append(self.fast)
        moves = self.moves.pop(0) if self.moves else Moves()
        self.machine.migrate(self._memory, moves.down, SLOW)
        self.machine.migrate(self._memory, moves.up, FAST)
        if self.clears:
            self.accessed[:] = False
        return now + 1.0


def scripted(
    name: str, intensity: float = 1.0, *moves: Moves, windows: float = 40
) -> tuple[Trace, Scripted]:
    workload = workload_named(name, Frame(PAGES, CAPACITY, windows, intensity, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "World", Scripted)
        run = Run(workload, "nothing", CAPACITY, 3)
    world = run.world
    assert isinstance(world, Scripted)
    world.moves.extend(moves)
    while run.now < windows:
        run.visit(windows)
    return run.trace, world


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_same_seed_gives_the_same_trace(name: str) -> None:
    assert run(name, windows=10.0) == run(name, windows=10.0)


def test_another_seed_gives_another_one() -> None:
    assert run("gups", seed=1) != run("gups", seed=2)


@pytest.mark.parametrize("policy", get_args(PolicyName))
def test_no_policy_gets_more_onto_the_fast_tier_than_fits_or_beats_the_optimum(policy: str) -> None:
    trace = run("churn", policy)
    assert all(
        0 <= hits <= best * 1.000001 for hits, best in zip(trace.hits, trace.best, strict=True)
    )


@pytest.mark.parametrize("policy", get_args(PolicyName))
def test_each_policy_but_nothing_promotes_what_is_hot(policy: str) -> None:
    trace = run("gups", policy, intensity=0.3)
    better = np.mean(trace.capture[-10:]) > 3 * CAPACITY / PAGES
    assert better == (policy != "nothing")
    assert (sum(trace.up) == 0) == (policy == "nothing")


def test_bits_are_set_as_often_as_poisson_accesses_say() -> None:
    _, world = scripted("uniform", 0.5)
    assert np.mean(world.seen[1:]) == pytest.approx(1 - np.exp(-0.5), abs=0.005)


def test_bits_stay_set_until_they_are_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "clears", False)
    _, world = scripted("uniform", 0.01, windows=9)
    assert all(bits.all() for bits in world.seen)


@pytest.mark.parametrize("policy", get_args(PolicyName))
def test_no_more_is_on_the_fast_tier_than_fits(policy: str) -> None:
    workload = workload_named("stairs", Frame(PAGES, CAPACITY, 40, 10.0, 3))
    run = Run(workload, policy, CAPACITY, 3)
    while run.now < 20:
        run.visit(20)
        assert run.world.fast.sum() <= CAPACITY
    assert (sum(run.trace.up) > 0) == (policy != "nothing")


def test_what_comes_back_within_ten_windows_is_counted_and_later_is_not() -> None:
    start = scripted("gups")[1].were_fast[0]
    fast, slow = np.flatnonzero(start), np.flatnonzero(~start)
    out, back = Moves(slow[:5], fast[:5]), Moves(fast[:5], slow[:5])
    soon, _ = scripted("gups", 1.0, out, Moves(), back)
    late, _ = scripted("gups", 1.0, out, *[Moves()] * 10, back)
    assert sum(soon.again) == 5
    assert sum(late.again) == 0


def test_what_visits_do_is_noted_a_period_apart_however_often_they_are() -> None:
    trace = run("gups", intensity=10.0)
    assert np.diff(trace.times)[:-1].min() >= PERIOD_S - 1e-6  # the last one is the end


def test_no_access_is_lost_between_visits() -> None:
    trace = run("stairs")
    assert sum(trace.accesses) == pytest.approx(trace.times[-1] * PAGES, rel=1e-6)


def test_pages_that_are_freed_are_mapped_again_and_the_fast_tier_is_never_too_full() -> None:
    _, world = scripted("churn")
    assert all(fast.sum() <= CAPACITY for fast in world.were_fast)
    assert any((before != after).any() for before, after in pairwise(world.were_fast))


def test_a_scan_that_comes_by_sets_bits_for_certain() -> None:
    _, world = scripted("cyclic-1.1")
    assert all(bits.sum() == int(1.1 * CAPACITY) for bits in world.seen[1:])


def test_the_kernel_makes_room_for_a_policy_that_demotes_nothing() -> None:
    workload = workload_named("gups", Frame(PAGES, CAPACITY, 40, 1.0, 3))
    run = Run(workload, "two-pass", CAPACITY, 3)
    while run.now < 40:
        run.visit(40)
    assert sum(run.trace.down) > 0
    assert sum(run.trace.up) == sum(run.trace.down)


def test_pages_of_several_processes_are_ranked_together() -> None:
    workload = workload_named("zipf-0.99", Frame(3 * PAGES, CAPACITY, 40, 10.0, 3))
    run = Run(workload, "capacity", CAPACITY, 3, processes=3)
    while run.now < 20:
        run.visit(20)
    assert run.trace.capture[-1] > 0.95
    assert sum(run.trace.up) > 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pages_of_two_processes_that_are_accessed_alike_do_not_trade_places(seed: int) -> None:
    """But for 100 or so in the first second, in which by chance some look hotter."""
    workload = workload_named("uniform", Frame(8192, 4096, 20, 20.0, seed))
    trace = simulate(workload, "capacity", 4096, 20, seed, processes=2)
    settled = np.searchsorted(trace.times, 5.0)
    assert sum(trace.down) <= 4096 // 16
    assert sum(trace.down[settled:]) <= 4096 // 256
