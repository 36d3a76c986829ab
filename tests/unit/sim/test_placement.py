"""Workloads and policies: deterministic, keeps to capacity, and counts what happened."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest

from mmscand.engine.rounds import PERIOD_S
from mmscand.engine.trial import Trial, Visited
from mmscand.model import BoolArray, PageNumbers
from mmscand.settings import PolicyName
from mmscand.sim.placement import Run, Trace, simulate
from mmscand.sim.workloads import WORKLOADS, Frame, workload_named

PAGES, CAPACITY = 2048, 227
NONE: PageNumbers = np.empty(0, dtype=np.intp)


def run(name: str, policy: str = "capacity", seed: int = 1, intensity: float = 1.0) -> Trace:
    workload = workload_named(name, Frame(PAGES, CAPACITY, 40, intensity, seed))
    return simulate(workload, policy, CAPACITY, 40, seed)


class Scripted(Trial):
    """Clears what it can once a second, by the policy `nothing`, moves what it was given, and keeps
    all bits and placements.
    """

    def __init__(self, now: Callable[[], float], *moves: Visited) -> None:
        super().__init__("nothing", PAGES, CAPACITY, now)
        self.moves = list(moves)
        self.seen: list[BoolArray] = []
        self.fast: list[BoolArray] = []

    def visit(self, bits: BoolArray, fast: BoolArray) -> Visited:
        self.seen.append(bits.copy())
        self.fast.append(fast.copy())
        visited = super().visit(bits, fast)
        given = self.moves.pop(0) if self.moves else visited
        return replace(given, cleared=visited.cleared)


def scripted(name: str, intensity: float = 1.0, *moves: Visited) -> tuple[Trace, Scripted]:
    workload = workload_named(name, Frame(PAGES, CAPACITY, 40, intensity, 3))
    run = Run(workload, "nothing", CAPACITY, 3)
    run.trial = trial = Scripted(lambda: run.now, *moves)
    while run.now < 40:
        run.visit(40)
    return run.trace, trial


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_same_seed_gives_the_same_trace(name: str) -> None:
    assert run(name) == run(name)


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
    better = np.mean(trace.capture[-10:]) > 1.5 * trace.capture[0]
    assert better == (policy != "nothing")
    assert (sum(trace.up) == 0) == (policy == "nothing")


def test_bits_are_set_as_often_as_poisson_accesses_say() -> None:
    _, trial = scripted("uniform", 0.5)
    assert np.mean(trial.seen[1:]) == pytest.approx(1 - np.exp(-0.5), abs=0.005)


def test_bits_stay_set_until_they_are_cleared() -> None:
    class NeverCleared(Run):
        def _clear(self, pages: PageNumbers) -> None:
            """Nobody clears."""

    run = NeverCleared(
        workload_named("uniform", Frame(PAGES, CAPACITY, 9, 0.01, 3)), "nothing", 9, 3
    )
    run.trial = trial = Scripted(lambda: run.now)
    while run.now < 9:
        run.visit(9)
    assert all(bits.all() for bits in trial.seen)


def test_what_does_not_fit_stays_and_room_is_made_first() -> None:
    start = scripted("gups")[1].fast[0]
    fast, slow = np.flatnonzero(start), np.flatnonzero(~start)
    trace, trial = scripted("gups", 1.0, Visited(slow[:3], fast[:2], NONE))
    assert trace.up[0] == 2 and trace.down[0] == 2
    assert trial.fast[1].sum() == CAPACITY
    assert trial.fast[1][slow[:2]].all() and not trial.fast[1][slow[2]]


def test_what_comes_back_within_ten_windows_is_counted_and_later_is_not() -> None:
    start = scripted("gups")[1].fast[0]
    fast, slow = np.flatnonzero(start), np.flatnonzero(~start)
    out, back = Visited(slow[:5], fast[:5], NONE), Visited(fast[:5], slow[:5], NONE)
    still = Visited(NONE, NONE, NONE)
    soon, _ = scripted("gups", 1.0, out, still, back)
    late, _ = scripted("gups", 1.0, out, *[still] * 10, back)
    assert sum(soon.again) == 5
    assert sum(late.again) == 0


def test_what_visits_do_is_noted_a_period_apart_however_often_they_are() -> None:
    trace = run("gups", intensity=10.0)
    assert np.diff(trace.times).min() >= PERIOD_S - 1e-6


def test_no_access_is_lost_between_visits() -> None:
    trace = run("stairs")
    assert sum(trace.accesses) == pytest.approx(trace.times[-1] * PAGES, rel=1e-6)


def test_pages_that_are_freed_are_mapped_anew_and_the_fast_tier_is_never_too_full() -> None:
    _, trial = scripted("churn")
    assert all(fast.sum() <= CAPACITY for fast in trial.fast)
    assert any((before != after).any() for before, after in pairwise(trial.fast))


def test_a_scan_that_comes_by_sets_bits_for_certain() -> None:
    _, trial = scripted("cyclic-1.1")
    assert all(bits.sum() == int(1.1 * CAPACITY) for bits in trial.seen[1:])
