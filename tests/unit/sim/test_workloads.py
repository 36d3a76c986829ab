"""Seeded workloads: what they promise about rates, time and pages."""

import numpy as np
import pytest

from mmscand.errors import UsageError
from mmscand.sim.workload import Workload
from mmscand.sim.workloads import WORKLOADS, Frame, workload_named

FRAME = Frame(pages=2560, capacity=284, windows=120, intensity=2.0, seed=5)


def made(name: str, frame: Frame = FRAME) -> Workload:
    return workload_named(name, frame)


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_mean_over_pages_is_the_intensity_in_every_step(name: str) -> None:
    workload = made(name)
    times = 512 if name == "huge" else 1
    for step in (0, 1, 7, 23):
        accesses = float(workload.rates_in(step) @ workload.sizes)
        assert accesses == pytest.approx(2.0 * 2560 * times, rel=1e-9)


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_seed_decides_and_nothing_else(name: str) -> None:
    one, same = made(name), made(name)
    other = made(name, Frame(2560, 284, 120, 2.0, seed=6))
    assert np.array_equal(one.classes, same.classes)
    assert np.array_equal(one.expected(3, 47), same.expected(3, 47))
    if name != "uniform":
        assert not np.array_equal(one.classes, other.classes)


@pytest.mark.parametrize("name", ["stairs", "phases", "zipf-shift", "churn"])
def test_what_is_expected_adds_up_over_steps(name: str) -> None:
    workload = made(name)
    whole = workload.expected(3.3, 71.7)
    parts = workload.expected(3.3, 20.1) + workload.expected(20.1, 71.7)
    assert np.allclose(whole, parts)


def test_stairs_move_every_five_windows_and_zigzag_alternates() -> None:
    hot = [int(np.argmax(made("stairs").expected(at, at + 1))) for at in range(0, 60, 5)]
    assert hot == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    hot = [int(np.argmax(made("zigzag").expected(at, at + 1))) for at in range(0, 20, 5)]
    assert hot == [0, 5, 0, 5]


def test_a_quarter_or_all_of_the_hot_set_moves_halfway() -> None:
    for name, part in (("quarter-moves", 0.25), ("gups-shift", 1.0)):
        workload = made(name)
        before = workload.rates_in(0)[workload.classes] > 2
        after = workload.rates_in(1)[workload.classes] > 2
        assert before.sum() == after.sum() == 256
        assert (before & ~after).sum() == 256 * part
        assert [step for step, _ in workload.steps(59, 61)] == [0, 1]


def test_a_stream_touches_each_cold_page_once_however_it_is_cut() -> None:
    workload = made("stream")
    assert workload.swept is not None and workload.sweep is not None
    total = sum(workload.swept(at, at + 0.25) for at in np.arange(55, 70, 0.25))
    assert set(np.unique(total)) == {0.0, 1.0}
    assert np.array_equal(np.flatnonzero(total), np.sort(workload.sweep[2]))
    assert len(workload.sweep[2]) == pytest.approx(0.7 * 2560, abs=1)
    assert workload.rates_in(0)[workload.classes][total == 0].min() > 0


def test_a_cyclic_scan_comes_by_every_page_of_its_footprint_equally_often() -> None:
    workload = made("cyclic-2")
    assert workload.swept is not None
    rounds = workload.swept(0, 50)
    assert np.count_nonzero(rounds) == 2 * 284
    assert np.ptp(rounds[rounds > 0]) <= 1
    assert rounds.sum() == pytest.approx(50 * 2.0 * 2560, rel=0.01)
    assert np.allclose(rounds, workload.swept(0, 7.3) + workload.swept(7.3, 50))


def test_the_best_placement_changes_with_each_step() -> None:
    workload = made("stairs")
    # The hot region (256 pages, 90 %) and 28 of the others.
    share = workload.best(2, 33, 284) / (31 * 2 * 2560)
    assert share == pytest.approx(0.9 / 0.9989 * 1.0, abs=0.02)


def test_an_unknown_name_is_said_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no workload 'zip'.*zipf-0\.99"):
        made("zip")
