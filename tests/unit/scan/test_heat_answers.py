"""Heat of a process, asked from the daemon while it runs, or made up."""

import numpy as np
import pytest

from mmscand.daemon import Daemon
from mmscand.heat.watch_history import WatchHistory
from mmscand.model import HUGE_PAGE_BYTES, REGION_BYTES
from mmscand.observe.events import PassEnd
from mmscand.scan.heat_answers import HeatAnswers
from mmscand.scan.mode import Mode
from mmscand.sim.clock import SimClock
from support.sim_daemon import HOT, Recorder, steady, tiers, touching
from unit.heat.test_watch_history import block, known


class SlowClock(SimClock):
    """Each look at it takes a second."""

    def now(self) -> float:
        self.seconds = getattr(self, "seconds", 0.0) + 1.0
        return self.seconds


def test_a_running_daemon_reports_of_the_processes_that_it_watches() -> None:
    world = tiers()
    world.vma.name = b"[heap]"
    recorder = Recorder(touching(world, HOT))
    # Moved pages are forgotten, and on a busy host all have moved before the question comes.
    looks = Mode.CLEARS
    with Daemon(world.machine, settings=steady(), observer=recorder, mode=looks) as daemon:
        recorder.wait_for(PassEnd, lambda event: event.number >= 3)
        found = daemon.heat(100)
        assert daemon.heat(7) is None
    assert found is not None
    assert (found.process.pid, found.pieces.unit) == (100, "passes")
    assert found.pieces.mappings.names == (b"[heap]",)
    assert found.pieces.starts[0] == REGION_BYTES
    assert found.pieces.ends[-1] == REGION_BYTES + 4 * HUGE_PAGE_BYTES
    assert found.pieces.slow.sum() + found.pieces.fast.sum() <= 2048
    assert np.nansum(found.pieces.heat) > 0
    assert daemon.heat(100) is None  # it has stopped


@pytest.mark.parametrize("clock", [SimClock(), SlowClock()])
def test_answers_take_a_tenth_of_a_core_at_most(clock: SimClock) -> None:
    world, history = tiers(), WatchHistory()
    answers, process = HeatAnswers(world.machine, clock), world.process.process
    known(history, block(), 3.0)
    first = answers.of(process, history)
    known(history, block(), 9.0)
    again = answers.of(process, history)
    assert (again is first) == isinstance(clock, SlowClock)
    if isinstance(clock, SlowClock):
        clock.seconds += 9
        assert answers.of(process, history).pieces.heat[0] > 2 * first.pieces.heat[0]


def test_a_process_that_has_exited_has_no_names() -> None:
    world, history = tiers(), WatchHistory()
    known(history, block(), 3.0)
    world.machine.exit(world.process)
    found = HeatAnswers(world.machine, SimClock()).of(world.process.process, history)
    assert found.pieces.mappings.names == ()
    assert found.pieces.known.sum() == 512
