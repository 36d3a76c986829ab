"""Kinds of pages of one recording and of several."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmscand.errors import UsageError
from mmscand.record.file import Recording
from mmscand.record.sizes import fleet_kinds, kinds
from mmscand.sizing import Curve
from support.sim_daemon import HOT, tiers
from unit.record.test_recorder import tape, touch

PASSES = 12


def recorded(path: Path, passes: int = PASSES) -> Path:
    """Some pages are accessed in each pass, all others never."""
    world = tiers()
    tape(world.machine, path, [touch(world, HOT)] * (passes - 1))
    return path


def test_rates_are_a_second_so_that_recordings_can_be_added(tmp_path: Path) -> None:
    recording = Recording(recorded(tmp_path / "a.mms"))
    found = kinds(recording)
    times = [int(seen.about["at_ns"][0]) * 1e-9 for seen in recording.passes()]
    a_second = (PASSES - 1) / (times[-1] - times[0])
    hot = [(rate, pages) for rate, pages in found if rate > a_second / 2]
    assert sum(pages for _, pages in hot) == pytest.approx(len(HOT), rel=0.01)
    assert sum(rate * pages for rate, pages in hot) == pytest.approx(len(HOT) * a_second, rel=0.1)


def test_several_recordings_are_one_memory(tmp_path: Path) -> None:
    paths = [recorded(tmp_path / name) for name in ("a.mms", "b.mms")]
    with ThreadPoolExecutor(2) as executor:
        parts = fleet_kinds(paths, executor)
    every = Curve.of(kind for part in parts for kind in part)
    assert every.total == pytest.approx(2 * Curve.of(parts[0]).total)
    assert every.share(2 * len(HOT)) > 0.95
    assert every.share(len(HOT)) == pytest.approx(0.5, abs=0.05)


def test_a_recording_that_is_too_short_is_named(tmp_path: Path) -> None:
    short = recorded(tmp_path / "short.mms", passes=4)
    with ThreadPoolExecutor(1) as executor, pytest.raises(UsageError) as raised:
        fleet_kinds([short], executor)
    assert raised.value.message.startswith(f"{short}: the recording has 4 passes")
