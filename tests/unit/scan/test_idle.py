import itertools
from collections.abc import Iterator

import numpy as np

from mmscand.model import REGION_BYTES
from mmscand.observe.events import Event, PassEnd, PassStart
from mmscand.scan.idle import IdleWatch
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from support.sim_daemon import Recorder, running

FAST_PAGES, APP_PAGES, HOT_PAGES, IDLE, APP = 8192, 8192, 2048, 200, 300


def visits(cpu_ns: Iterator[int], looks: int, *, worthwhile: bool = False) -> list[int]:
    """Which of these looks led to a visit."""
    watch, made = IdleWatch(lambda: next(cpu_ns)), []
    for look in range(looks):
        if not watch.skip(worthwhile=worthwhile):
            made.append(look)
            watch.taken()
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


def test_a_large_one_is_visited_three_times_more_before_visits_are_left_out() -> None:
    assert visits(iter([7] * 20 + [8] * 8), 28, worthwhile=True) == [
        *(0, 1, 2, 3, 5, 8, 13),
        *(20, 21, 22, 23, 25),
    ]


def test_hot_pages_soon_take_the_place_of_a_process_that_does_not_run() -> None:
    machine, random = (
        SimMachine(sim_topology((0,), (1,), {0: FAST_PAGES, 1: 65_536})),
        np.random.default_rng(2),
    )
    idle, app = machine.spawn(IDLE, "idle"), machine.spawn(APP, "app")
    machine.map(idle, REGION_BYTES, FAST_PAGES - 512, 0)
    memory = machine.map(app, REGION_BYTES, APP_PAGES, 1)
    hot = np.sort(random.permutation(APP_PAGES)[:HOT_PAGES])

    def access(event: Event) -> None:
        if isinstance(event, PassStart | PassEnd):
            memory.touch(hot[random.random(HOT_PAGES) < 0.9])
            app.run()

    recorder = Recorder(access)
    with running(machine, recorder, scan_period_ms=5) as daemon:
        daemon.settings.change({"policy": "capacity", "quick_passes": 0})
        recorder.wait_for(PassEnd, lambda event: event.process.pid == APP and event.number == 8)
        assert (machine.nodes_of(memory).reshape(-1)[hot] == 0).mean() > 0.9


def test_it_tells_how_many_were_skipped() -> None:
    watch = IdleWatch(lambda: 7)
    assert [watch.taken() for _ in range(8) if not watch.skip(worthwhile=False)] == [0, 1, 2]
