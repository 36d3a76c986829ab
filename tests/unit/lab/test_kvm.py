"""The truth of a KVM machine, and the judgement of what it did; it runs in tests/lab."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mmscand_lab.kernel import LabError
from mmscand_lab.kvm import Use, require_machine, times_of, use_between

_FIRST = 2
"""The first data page: the table of 40 hot pages has 150 entries, which fit one page."""


@pytest.fixture(scope="module")
def program() -> Path:
    return require_machine()


def test_a_seed_says_which_pages_are_used_and_how_often(program: Path) -> None:
    times = times_of(program, 1000, 40, 7)
    assert (times.shape, int((times > 0).sum())) == ((1000,), 40)
    assert not times[:_FIRST].any()
    assert np.bincount(times)[1:].tolist() == [10, 10, 0, 10, 0, 0, 0, 10]
    assert np.array_equal(times, times_of(program, 1000, 40, 7))
    assert not np.array_equal(times, times_of(program, 1000, 40, 8))


def test_hot_pages_may_be_all_data_pages_and_no_more(program: Path) -> None:
    assert (times_of(program, _FIRST + 40, 40, 1)[_FIRST:] > 0).all()
    with pytest.raises(LabError, match="no KVM machine with 40 hot pages of 41"):
        times_of(program, _FIRST + 39, 40, 1)


def test_rounds_are_those_that_every_page_has_had(program: Path) -> None:
    times = times_of(program, 1000, 40, 7)
    before = 3 * times
    assert use_between(before, before + 5 * times, times) == Use(5, 40, 0)
    after = before + 5 * times
    after[np.flatnonzero(times)[:7]] += 1  # a round that is not complete
    assert use_between(before, after, times) == Use(5, 40, 0)


def test_a_page_that_is_used_otherwise_is_wrong(program: Path) -> None:
    times = times_of(program, 1000, 40, 7)
    after = 5 * times
    cold, hot = np.flatnonzero(times[_FIRST:] == 0)[0] + _FIRST, np.flatnonzero(times)[0]
    after[cold] += 1
    after[hot] += 3 * times[hot]
    assert use_between(0 * times, after, times) == Use(5, 39, 2)


@pytest.mark.parametrize("argv", [[], ["truth"], ["0", "10", "5", "1"]])
def test_wrong_arguments_are_2(program: Path, argv: list[str]) -> None:
    assert subprocess.run([str(program), *argv], check=False).returncode == 2


def test_without_a_compiler_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mmscand_lab.building.default_cache", lambda: tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LabError, match="needs a compiler"):
        require_machine()
