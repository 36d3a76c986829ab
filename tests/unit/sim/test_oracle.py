"""Bounds: below every placement that there is, and close to the best one."""

from itertools import combinations, product

import numpy as np
import pytest

from mmscand.sim.oracle import epoch_share, least_cost, least_latency_ns, static_share
from mmscand.sim.placement import FAST_NS, SLOW_NS
from mmscand.sim.workloads import Frame, workload_named


def brute_force(saved: np.ndarray, capacity: int, move: float, free: np.ndarray) -> float:
    """The cheapest of all sequences of placements."""
    epochs, pages = saved.shape
    sets = [
        np.isin(range(pages), chosen)
        for size in range(capacity + 1)
        for chosen in combinations(range(pages), size)
    ]
    best = np.inf
    for path in product(sets, repeat=epochs):
        misses = sum(float(saved[at][~path[at]].sum()) for at in range(epochs))
        moved = sum(int(((path[at] != path[at - 1]) & ~free[at]).sum()) for at in range(1, epochs))
        best = min(best, misses + move * moved)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_the_bound_is_below_the_true_optimum_and_close_to_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    saved = rng.exponential(2.0, (4, 4)) * rng.integers(0, 2, (4, 4))
    free = rng.random((4, 4)) < 0.2
    move = float(rng.choice([0.0, 0.3, 1.0, 5.0]))
    true = brute_force(saved, 2, move, free)
    bound = least_cost(saved, np.ones(4, dtype=np.intp), 2, move, free, rounds=1000)
    assert bound <= true + 1e-9
    assert bound >= 0.95 * true - 1e-9


def test_without_a_price_for_moves_it_is_the_best_of_each_epoch() -> None:
    saved = np.random.default_rng(1).exponential(1.0, (6, 20))
    each = sum(float(np.sort(row)[:-5].sum()) for row in saved)
    assert least_cost(saved, np.ones(20, dtype=np.intp), 5, 0.0) == pytest.approx(each)


def test_with_moves_that_never_pay_it_is_the_best_that_stays() -> None:
    saved = np.random.default_rng(2).exponential(1.0, (6, 20))
    stays = float(np.sort(saved.sum(axis=0))[:-5].sum())
    assert least_cost(saved, np.ones(20, dtype=np.intp), 5, 1e6) <= stays + 1e-9
    assert least_cost(saved, np.ones(20, dtype=np.intp), 5, 1e6) >= 0.97 * stays


def test_classes_are_as_good_as_their_pages() -> None:
    saved = np.random.default_rng(3).exponential(1.0, (5, 6))
    sizes = np.array([3, 1, 4, 1, 5, 9])
    assert least_cost(saved, sizes, 8, 0.4) == pytest.approx(
        least_cost(np.repeat(saved, sizes, axis=1), np.ones(23, dtype=np.intp), 8, 0.4)
    )


@pytest.mark.parametrize("name", ["zipf-0.99", "gups-shift", "stairs", "phases", "churn"])
def test_more_knowledge_does_better(name: str) -> None:
    workload = workload_named(name, Frame(2048, 227, 120, 1.0, 1))
    static, epoch = (share(workload, 227, 30, 120) for share in (static_share, epoch_share))
    assert static <= epoch + 1e-9
    latency = least_latency_ns(workload, 227, 30, 120)
    assert latency >= FAST_NS + (1 - epoch) * (SLOW_NS - FAST_NS) - 1e-6
    assert latency <= FAST_NS + (1 - static) * (SLOW_NS - FAST_NS) + 1e-6
