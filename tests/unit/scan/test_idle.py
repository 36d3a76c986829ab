import itertools
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from mmscand.model import REGION_BYTES
from mmscand.observe.events import Event, PassEnd, PassStart
from mmscand.scan.idle import IdleWatch
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from support.sim_daemon import Recorder, running

FAST_PAGES, APP_PAGES, HOT_PAGES, IDLE, APP = 8192, 8192, 2048, 200, 300


def visits(
    cpu_ns: Iterator[int], looks: int, *, large: bool = False, accessed: Sequence[int] = ()
) -> list[int]:
    """The looks that led to a visit; the first visits find these numbers of pages accessed."""
    watch, made, found = IdleWatch(lambda: next(cpu_ns)), [], iter(accessed)
    for look in range(looks):
        if not watch.skip(large=large):
            made.append(look)
            watch.taken(next(found, 0))
    return made


def test_a_process_that_runs_is_visited_each_time() -> None:
    assert visits(iter(range(0, 50, 5)), 10) == list(range(10))


def test_one_that_sleeps_is_visited_half_as_often_each_time_down_to_one_in_64() -> None:
    made = visits(iter([7] * 1000), 450)
    gaps = [after - before - 1 for before, after in itertools.pairwise(made)]
    assert made[0] == 0
    assert gaps == [1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64]


def test_when_it_runs_again_it_is_visited_at_once_and_then_as_at_first() -> None:
    cpu_ns = [7] * 20 + [8] * 6
    assert visits(iter(cpu_ns), 26) == [0, 2, 5, 10, 19, 20, 22, 25]


def test_a_process_that_does_not_run_is_visited_when_hot_pages_of_others_need_its_place() -> None:
    machine, random = (
        SimMachine(sim_topology((0,), (1,), {0: FAST_PAGES, 1: 65_536})),
        np.random.default_rng(2),
    )
    idle, app = machine.spawn(IDLE, "idle"), machine.spawn(APP, "app")
    machine.map(idle, REGION_BYTES, FAST_PAGES - 512, 0).touch(slice(None))
    memory = machine.map(app, REGION_BYTES, APP_PAGES, 1)
    hot, begun = np.sort(random.permutation(APP_PAGES)[:HOT_PAGES]), threading.Event()

    def access(event: Event) -> None:
        if isinstance(event, PassStart | PassEnd):
            app.run()
            if begun.is_set():
                memory.touch(hot[random.random(HOT_PAGES) < 0.9])

    recorder = Recorder(access)
    clock = SimClock(threads=2)
    with running(machine, recorder, scan_period_ms=5, clock=clock) as daemon:
        daemon.settings.change({"policy": "capacity"})
        recorder.wait_for(PassEnd, lambda event: event.process == idle.process and seldom(event))
        begun.set()
        first = recorder.wait_for(PassEnd, lambda event: event.process == app.process).number
        # They are up after 80 passes, as trades pay then; never if the other one is not visited.
        recorder.wait_for(PassEnd, lambda event: event.number >= first + 150)
        assert (machine.nodes_of(memory).reshape(-1)[hot] == 0).mean() > 0.9


def seldom(event: PassEnd) -> bool:
    """Whether many visits before this one were left out."""
    return event.skipped >= 16


def test_a_large_one_is_visited_until_its_pages_are_known_to_be_cold() -> None:
    assert visits(iter([7] * 20 + [8] * 8), 28, large=True) == [
        *(0, 1, 2, 3, 5, 8, 13),
        *(20, 21, 22, 23, 25),
    ]
    # Its bits are cleared a part at a time; a page of a library stays in use by others.
    fewer = visits(iter([7] * 9), 9, large=True, accessed=[900, 500, 100, 1, 1, 1, 1])
    assert fewer == [0, 1, 2, 3, 4, 5, 6, 8]


def test_it_reports_how_many_were_skipped() -> None:
    watch = IdleWatch(lambda: 7)
    assert [watch.taken(0) for _ in range(8) if not watch.skip(large=False)] == [0, 1, 2]
