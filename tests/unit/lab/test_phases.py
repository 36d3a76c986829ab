"""Parts of the memory become hot one after another, and the program says which one is."""

from pathlib import Path

import numpy as np
import pytest

from mmscand_lab.phases import STAIRS, ZIGZAG, Phased, Phases, make_phases, present_phase
from mmscand_lab.touch import Drawn

PAGES = 1000


def phased(folder: Path, rounds: int) -> tuple[Phased, np.ndarray, Phases]:
    words = np.zeros(PAGES * 512, dtype=np.uint64)
    phases = make_phases(PAGES, STAIRS, 1)
    drawn = Drawn(words, phases.rates(0), 64, 1.0, 1)
    return Phased(drawn, phases, rounds, folder), words, phases


def test_parts_are_equal_by_address_or_anywhere() -> None:
    by_address, anywhere = make_phases(PAGES, STAIRS, None), make_phases(PAGES, STAIRS, 1)
    for phases in (by_address, anywhere):
        assert np.bincount(phases.parts).tolist() == [100] * 10
    assert (np.diff(by_address.parts) >= 0).all()
    assert np.count_nonzero(np.diff(anywhere.parts)) > 800
    assert max(np.bincount(make_phases(65536, STAIRS, 1).parts)) == 6554  # below the room


def test_stairs_go_through_all_parts_and_zigzag_between_two() -> None:
    stairs, zigzag = make_phases(PAGES, STAIRS, None), make_phases(PAGES, ZIGZAG, None)
    hot = [np.flatnonzero(stairs.hot(number)) for number in range(12)]
    assert [pages[0] for pages in hot[:10]] == list(range(0, 1000, 100))
    assert (hot[10] == hot[0]).all()
    assert [np.flatnonzero(zigzag.hot(n))[0] for n in range(4)] == [0, 500, 0, 500]


def test_rates_are_those_of_one_phase_and_the_hot_ones_add_up() -> None:
    phases = make_phases(PAGES, STAIRS, 1)
    for number in (0, 3, 13):
        rates = phases.rates(number)
        assert rates.sum() == pytest.approx(1)
        assert rates[phases.hot(number)].sum() == pytest.approx(0.9)
    assert [int(phases.hot_so_far(number).sum()) for number in (0, 1, 9, 25)] == [
        100,
        200,
        1000,
        1000,
    ]
    zigzag = make_phases(PAGES, ZIGZAG, None)
    assert int(zigzag.hot_so_far(7).sum()) == 200


def test_the_next_phase_comes_after_this_many_rounds_and_is_reported(tmp_path: Path) -> None:
    toucher, words, phases = phased(tmp_path, rounds=3)
    assert present_phase(tmp_path) == 0
    toucher.change()
    for number in range(4):
        written = np.zeros(PAGES)
        for _ in range(3):
            words[:] = 0
            assert sum(toucher.touch_once()) == 8 * 4096
            written += words.reshape(-1, 512).any(axis=1)
            assert present_phase(tmp_path) == number
        # 512 visits a round: 4.6 to a hot page, 0.057 to another. As bits: 99 % and 5.5 %.
        hot = phases.hot(number)
        assert written[hot].mean() / 3 > 0.95
        assert written[~hot].mean() / 3 < 0.1


def test_phases_come_back_as_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Phases.load(tmp_path)
    _, _, phases = phased(tmp_path, rounds=1)
    back = Phases.load(tmp_path)
    assert (back.parts == phases.parts).all()
    assert (back.order == phases.order).all()
