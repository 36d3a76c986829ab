"""The stopwatch in simulation: near to the best placement, without an exposure that is tuned."""

import numpy as np
import pytest

from mmscand.sim.case import Case, Figures, run_case


def figures(
    workload: str, ratio: int = 8, intensity: float = 1.0, seed: int = 1, pages: int = 8192
) -> Figures:
    return run_case(Case(workload, "stopwatch", ratio, intensity, seed, pages))["figures"]


@pytest.mark.parametrize("intensity", [1.0, 10.0, 100.0])
def test_it_is_near_to_the_optimum_over_decades_of_intensity(intensity: float) -> None:
    assert figures("zipf-0.99", intensity=intensity)["steady_regret_pp"] < 1.0


@pytest.mark.parametrize("intensity", [1.0, 10.0])
def test_hot_pages_among_cold_ones_are_found_and_then_nothing_moves(intensity: float) -> None:
    found = figures("gups", intensity=intensity)
    assert found["steady_regret_pp"] < 0.05
    assert found["moves_percent"] < 0.05


def test_where_pages_are_used_alike_next_to_nothing_moves() -> None:
    assert figures("uniform", intensity=10.0)["moves_percent"] < 0.05


@pytest.mark.parametrize("intensity", [1.0, 10.0, 100.0])
def test_a_full_shift_is_noticed_and_followed(intensity: float) -> None:
    found = figures("gups-shift", intensity=intensity)
    assert found["recovery_exposures"] is not None
    assert found["recovery_exposures"] <= 20
    assert found["steady_regret_pp"] < 0.5


def test_a_quarter_of_the_hot_set_that_moves_is_noticed_and_followed() -> None:
    assert figures("quarter-moves", intensity=10.0)["steady_regret_pp"] < 0.5


@pytest.mark.parametrize("intensity", [1.0, 10.0, 100.0])
def test_huge_pages_whose_bit_is_set_at_each_look_are_told_apart(intensity: float) -> None:
    found = figures("huge", intensity=intensity, pages=4096)
    assert found["steady_regret_pp"] < 2.0
    assert found["latency_ns"] < 1.10 * found["least_ns"]


def test_moves_that_cannot_pay_are_not_made() -> None:
    found = figures("stairs", intensity=0.1)
    assert found["latency_ns"] < 1.01 * found["least_ns"]


def test_a_streaming_pass_displaces_little() -> None:
    swept = [figures("stream", intensity=10.0, seed=seed)["swept_percent"] for seed in (1, 2, 3)]
    assert None not in swept
    assert np.median(np.array(swept, dtype=np.float64)) < 1.0


def test_the_same_case_gives_the_same_figures() -> None:
    case = Case("phases", "stopwatch", 8, 10.0, 3, pages=2048, windows=30.0)
    assert run_case(case) == run_case(case)
