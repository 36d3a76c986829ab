"""The policy `capacity` on small workloads, by the targets that it was made for."""

import numpy as np
import pytest

from mmscand.policy.capacity import Capacity
from mmscand.policy.placement import LONGEST_EXPOSURE, SHORTEST_EXPOSURE
from mmscand.sim.case import Case, Figures, run_case


def figures(workload: str, ratio: int = 8, intensity: float = 1.0) -> Figures:
    return run_case(Case(workload, "capacity", ratio, intensity, 1, pages=8192))["figures"]


@pytest.mark.parametrize("intensity", [1.0, 10.0])
def test_on_uniform_memory_nothing_moves(intensity: float) -> None:
    found = figures("uniform", intensity=intensity)
    assert found["promotions"] <= 0.1 * 8192 / 9  # while it is not known yet
    assert found["moves_percent"] == 0


@pytest.mark.parametrize("intensity", [1.0, 10.0])
def test_gups_is_found_whole_and_then_next_to_nothing_moves(intensity: float) -> None:
    found = figures("gups", intensity=intensity)
    assert found["steady_regret_pp"] <= 0.1
    assert found["moves_percent"] <= 0.02  # a page in five passes


@pytest.mark.parametrize(("ratio", "intensity"), [(2, 10.0), (8, 1.0), (16, 10.0)])
def test_zipf_is_within_a_point_of_the_optimum(ratio: int, intensity: float) -> None:
    assert figures("zipf-0.99", ratio, intensity)["steady_regret_pp"] <= 1.0


@pytest.mark.parametrize("workload", ["gups-shift", "zipf-shift"])
def test_a_shift_is_made_good_within_five_exposures(workload: str) -> None:
    found = figures(workload)
    assert found["recovery_exposures"] is not None
    assert found["recovery_exposures"] <= 5


@pytest.mark.parametrize(("ratio", "intensity"), [(8, 1.0), (8, 10.0)])
def test_steps_of_five_windows_are_followed(ratio: int, intensity: float) -> None:
    assert figures("stairs", ratio, intensity)["regret_pp"] <= 7


@pytest.mark.parametrize("workload", ["phases", "stairs"])
def test_where_no_move_pays_it_is_hardly_slower_than_doing_nothing(workload: str) -> None:
    case = Case(workload, "nothing", 8, 0.1, 1, pages=8192)
    still = run_case(case)["figures"]["whole_latency_ns"]
    assert figures(workload, 8, 0.1)["whole_latency_ns"] <= 1.015 * still  # it was 1.18


def test_a_stream_promotes_nothing() -> None:
    assert figures("stream")["swept_percent"] == pytest.approx(0, abs=0.1)


def test_it_is_deterministic_and_takes_two_bytes_a_page() -> None:
    bits = np.random.default_rng(1).random((30, 1000)) < 0.3
    fast = np.arange(1000) < 100
    first, second = Capacity(1000, 100), Capacity(1000, 100)
    for row in bits:
        one, other = first.decide(row, fast), second.decide(row, fast)
        assert np.array_equal(one.up, other.up) and np.array_equal(one.down, other.down)
    assert first._history.nbytes == 2000


@pytest.mark.parametrize(("bit", "end"), [(True, SHORTEST_EXPOSURE), (False, LONGEST_EXPOSURE)])
def test_the_exposure_stays_within_what_a_daemon_can_do(bit: bool, end: float) -> None:
    policy = Capacity(1000, 100)
    for _ in range(30):
        moves = policy.decide(np.full(1000, bit), np.arange(1000) < 100)
        assert len(moves.up) == len(moves.down) == 0
    assert policy.exposure == end


def test_pages_that_were_freed_have_no_past() -> None:
    policy = Capacity(1000, 100)
    hot = np.arange(1000) >= 900
    for _ in range(10):
        policy.decide(hot, np.arange(1000) < 100)
    policy.forget(np.arange(900, 950))
    assert (policy._history[900:950] == 0).all()
    assert (policy._history[950:] > 0).all()
