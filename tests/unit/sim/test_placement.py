"""The engine: deterministic, keeps to capacity, and counts what happened."""

import numpy as np
import pytest

from mmscand.model import BoolArray
from mmscand.policy.placement import LEAST_PERIOD, NO_MOVES, Moves, PageNumbers
from mmscand.policy.registry import POLICIES, placement_policy
from mmscand.sim.placement import Trace, payback_accesses, simulate
from mmscand.sim.workloads import WORKLOADS, Frame, workload_named

PAGES, CAPACITY = 2048, 227


def run(name: str, policy: str = "capacity", seed: int = 1, intensity: float = 1.0) -> Trace:
    workload = workload_named(name, Frame(PAGES, CAPACITY, 40, intensity, seed))
    chosen = placement_policy(policy, PAGES, CAPACITY, payback_accesses(workload.move_ns))
    return simulate(workload, chosen, CAPACITY, 40, seed)


class Scripted:
    """Does what it is told, and remembers what it saw."""

    name = "scripted"

    def __init__(self, exposure: float, *moves: Moves) -> None:
        self.exposure = exposure
        self.moves = list(moves)
        self.fast: list[BoolArray] = []
        self.accessed: list[BoolArray] = []
        self.forgotten: list[PageNumbers] = []

    def decide(self, accessed: BoolArray, fast: BoolArray) -> Moves:
        self.accessed.append(accessed.copy())
        self.fast.append(fast.copy())
        return self.moves.pop(0) if self.moves else NO_MOVES

    def forget(self, pages: PageNumbers) -> None:
        self.forgotten.append(pages)


def scripted(name: str, policy: Scripted, windows: float = 20, intensity: float = 1.0) -> Trace:
    frame = Frame(PAGES, CAPACITY, windows, intensity, 3)
    return simulate(workload_named(name, frame), policy, CAPACITY, windows, 3)


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_same_seed_gives_the_same_trace(name: str) -> None:
    assert run(name) == run(name)


def test_another_seed_gives_another_one() -> None:
    assert run("gups", seed=1) != run("gups", seed=2)


@pytest.mark.parametrize("policy", POLICIES)
def test_no_policy_gets_more_onto_the_fast_tier_than_fits_or_beats_the_optimum(policy: str) -> None:
    trace = run("churn", policy)
    assert all(
        0 <= hits <= best * 1.000001 for hits, best in zip(trace.hits, trace.best, strict=True)
    )


def test_bits_are_set_as_often_as_poisson_accesses_say() -> None:
    policy = Scripted(0.5)
    scripted("uniform", policy, windows=50)
    assert np.mean(policy.accessed) == pytest.approx(1 - np.exp(-0.5), abs=0.005)


def test_bits_follow_rates_that_change_inside_an_exposure() -> None:
    policy = Scripted(20.0)
    scripted("quarter-moves", policy, windows=20, intensity=0.01)
    # Half the time at 9 times 0.01, half at a ninth of it, and the reverse for the others.
    expected = 0.01 * 10 * (9 + 1 / 9)
    workload = workload_named("quarter-moves", Frame(PAGES, CAPACITY, 20, 0.01, 3))
    moved = policy.accessed[0][workload.classes < 2]
    assert moved.mean() == pytest.approx(1 - np.exp(-expected), abs=0.1)


def test_what_does_not_fit_stays_and_room_is_made_first() -> None:
    start = Scripted(1.0)
    scripted("gups", start)
    fast, slow = np.flatnonzero(start.fast[0]), np.flatnonzero(~start.fast[0])
    policy = Scripted(1.0, Moves(slow[:3], fast[:2]))
    trace = scripted("gups", policy)
    assert trace.up[0] == 2 and trace.down[0] == 2
    assert policy.fast[1].sum() == CAPACITY
    assert policy.fast[1][slow[:2]].all() and not policy.fast[1][slow[2]]


def test_who_comes_back_within_ten_windows_is_counted_and_later_is_not() -> None:
    start = Scripted(1.0)
    scripted("gups", start)
    fast, slow = np.flatnonzero(start.fast[0]), np.flatnonzero(~start.fast[0])
    out, back = Moves(slow[:5], fast[:5]), Moves(fast[:5], slow[:5])
    soon = scripted("gups", Scripted(1.0, out, NO_MOVES, back))
    late = scripted("gups", Scripted(1.0, out, *[NO_MOVES] * 10, back))
    assert sum(soon.again) == 5
    assert sum(late.again) == 0


def test_passes_are_a_period_apart_however_short_the_exposure() -> None:
    trace = scripted("gups", Scripted(0.001))
    assert np.allclose(np.diff(trace.times), LEAST_PERIOD)
    assert trace.exposures[0] == 0.01


def test_no_access_is_lost_between_passes() -> None:
    trace = scripted("stairs", Scripted(0.1))
    spent = trace.times[-1] * PAGES
    assert sum(trace.accesses) == pytest.approx(spent, rel=1e-6)


def test_pages_that_are_freed_are_forgotten_and_the_fast_tier_is_never_too_full() -> None:
    policy = Scripted(1.0)
    scripted("churn", policy)
    assert len(policy.forgotten) == 19
    assert all(fast.sum() <= CAPACITY for fast in policy.fast)


def test_a_scan_that_comes_by_sets_bits_for_certain() -> None:
    policy = Scripted(1.0)
    scripted("cyclic-1.1", policy)
    assert all(bits.sum() == int(1.1 * CAPACITY) for bits in policy.accessed)
