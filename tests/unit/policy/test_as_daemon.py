"""The daemon's decisions in simulation: near to the best of all policies, far from the RFC's."""

import numpy as np
import pytest

from mmscand.policy.as_daemon import AsDaemon
from mmscand.sim.case import Case, Figures, run_case


def figures(
    workload: str, policy: str, ratio: int = 8, intensity: float = 1.0, seed: int = 1
) -> Figures:
    case = Case(workload, policy, ratio, intensity, seed, pages=16384)
    return run_case(case)["figures"]


@pytest.mark.parametrize(
    ("workload", "ratio", "intensity", "limit"),
    [("gups", 8, 10.0, 0.1), ("zipf-0.99", 8, 1.0, 1.0), ("zipf-0.7", 8, 10.0, 1.5)],
)
def test_it_is_near_to_the_optimum_where_nothing_changes(
    workload: str, ratio: int, intensity: float, limit: float
) -> None:
    found = figures(workload, "daemon", ratio, intensity)
    assert found["steady_regret_pp"] < limit
    assert figures(workload, "two-pass", ratio, intensity)["steady_regret_pp"] > 15


def test_a_full_shift_is_noticed_and_followed_in_a_few_exposures() -> None:
    found = figures("gups-shift", "daemon")
    assert found["recovery_exposures"] is not None
    assert found["recovery_exposures"] <= 10
    assert found["steady_regret_pp"] < 0.1


def test_where_pages_are_used_alike_next_to_nothing_moves() -> None:
    found = figures("uniform", "daemon")
    assert found["moves_percent"] < 0.1
    assert figures("uniform", "two-pass")["moves_percent"] > 50


def test_a_streaming_pass_displaces_next_to_nothing() -> None:
    swept = [figures("stream", "daemon", seed=seed)["swept_percent"] for seed in (1, 2, 3)]
    assert None not in swept
    assert np.median(np.array(swept, dtype=np.float64)) < 0.2


def test_a_program_that_slows_down_has_not_changed() -> None:
    rng = np.random.default_rng(1)
    pages, capacity = 16384, 2048
    hot = np.zeros(pages, dtype=np.bool_)
    hot[rng.permutation(pages)[:2000]] = True
    fast = np.zeros(pages, dtype=np.bool_)
    policy = AsDaemon(pages, capacity)
    moves, held = [], []
    for number in range(60):
        speed = 0.25 if number >= 40 else 1.0
        touched = np.where(hot, 2.0, 0.2) * speed * policy.exposure
        found = policy.decide(rng.random(pages) < 1 - np.exp(-touched), fast)
        fast[found.down] = False
        fast[found.up] = True
        moves.append(len(found.up) + len(found.down))
        held.append(fast[hot].mean())
    assert np.median(held[40:]) > 0.98
    assert sum(moves[35:40]) + sum(moves[41:60]) < 0.1 * capacity
