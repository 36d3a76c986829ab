"""What a load that knows its pages says of itself, with pages that are where the test says."""

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmscand_lab.loads import LOADS, Change, Pages, PhasedPages, best_share
from mmscand_lab.phases import STAIRS, make_phases
from mmscand_lab.touch import streamed
from mmscand_lab.truth import BoolArray, Truth, hot_pages, hottest, shifted, zipf_rates

PAGES = 20_000


class Probe:
    def __init__(self) -> None:
        self.top: BoolArray = np.zeros(PAGES, dtype=np.bool_)

    def on_top(self) -> BoolArray:
        return self.top


class Process:
    def __init__(self) -> None:
        self.signals: list[int] = []

    def send_signal(self, number: int) -> None:
        self.signals.append(number)


def load(truth: Truth, probe: Probe, change: Change | None) -> tuple[Pages, Process]:
    process, folder = Process(), Path("/nonexistent")
    program: Any = SimpleNamespace(process=process)
    return Pages(program, truth, probe, folder, change), process  # type: ignore[arg-type]


HOT = Truth(7, 0, PAGES, 1, huge=False, seed=1, hot=hot_pages(PAGES, 2000, "random", 1))
RATES = zipf_rates(PAGES, 0.99, 1)
ZIPF = Truth(7, 0, PAGES, 1, huge=False, seed=1, hot=hottest(RATES, 2500), rates=RATES)


def test_the_level_is_the_share_of_accesses_before_and_after_a_shift() -> None:
    probe = Probe()
    pages, process = load(HOT, probe, "shift")
    assert pages.options == ("--pid", "7")
    assert pages.best == pytest.approx(1)
    assert pages.level() == 0
    probe.top = HOT.hot.copy()
    probe.top[np.flatnonzero(~HOT.hot)[:5]] = True
    assert pages.level() == pytest.approx(1)
    assert pages.end() == {"wrong_pages": 5}
    pages.change()
    assert process.signals == [signal.SIGUSR1]
    assert pages.level() < 0.01
    probe.top |= shifted(HOT.hot, 1)
    assert pages.level() == pytest.approx(1)
    assert pages.end()["wrong_pages"] <= 5


def test_a_stream_counts_what_were_promoted_of_the_pages_that_it_reads() -> None:
    probe = Probe()
    pages, _ = load(ZIPF, probe, "stream")
    cold = streamed(RATES)
    probe.top[cold[:3]] = True
    pages.change()
    assert pages.end() == {"wrong_pages": 3, "streamed_up_pages": 0}
    probe.top[cold[:10]] = True
    assert pages.end() == {"wrong_pages": 10, "streamed_up_pages": 7}


def test_a_load_with_phases_has_the_level_of_the_phase_that_it_is_in(tmp_path: Path) -> None:
    probe, phases = Probe(), make_phases(PAGES, STAIRS, None)
    phases.save(tmp_path)
    (tmp_path / "phase").write_text("0\n")
    truth = Truth(7, 0, PAGES, 1, huge=False, seed=1, hot=phases.hot(0), rates=phases.rates(0))
    process = Process()
    program: Any = SimpleNamespace(process=process)
    pages = PhasedPages(program, truth, probe, tmp_path)  # type: ignore[arg-type]
    probe.top = phases.hot(0) | phases.hot(4)
    assert pages.best is not None
    assert pages.level() == pytest.approx(0.9 + 0.1 / 9)
    assert pages.end() == {"wrong_pages": 2000}
    (tmp_path / "phase").write_text("2\n")
    assert pages.level() == pytest.approx(0.2 / 9)
    assert pages.end() == {"wrong_pages": 2000}
    (tmp_path / "phase").write_text("14\n")
    assert pages.end() == {"wrong_pages": 0}
    assert pages.level() == pytest.approx(0.9 + 0.1 / 9)
    pages.change()
    assert process.signals == []


def test_the_best_share_has_the_hottest_pages_in_the_room() -> None:
    rates = np.array([0.1, 0.5, 0.15, 0.25])
    assert best_share(rates, 2) == pytest.approx(0.75)
    assert best_share(rates, 9) == pytest.approx(1)


def test_each_load_says_what_it_is_and_only_known_changes_happen() -> None:
    assert {"gups", "zipf", "shift", "stream"} <= LOADS.keys()
    for name, each in LOADS.items():
        assert each.summary, name
    changes = {name: each.change for name, each in LOADS.items() if each.change}
    phases = dict.fromkeys(["stairs", "zigzag"], "phases")
    assert changes == {"shift": "shift", "stream": "stream", **phases}
