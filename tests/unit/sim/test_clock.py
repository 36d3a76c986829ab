"""Time that jumps, and what takes time on a simulated machine."""

import threading

import numpy as np
import pytest

from mmscand.model import PAGE_BYTES, REGION_BYTES
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology


def wait(clock: SimClock, seconds: float | None) -> None:
    wakeup = threading.Condition()
    with wakeup:
        clock.wait(wakeup, seconds)


def test_a_wait_is_over_at_its_end_at_once() -> None:
    clock = SimClock(start=5.0)
    wait(clock, 3600.0)
    assert clock.now() == 3605.0
    assert clock.thread_cpu() == 0.0


def test_what_is_planned_happens_on_the_way_in_its_order() -> None:
    clock, seen = SimClock(), list[tuple[str, float]]()
    for name, seconds in (("b", 2.0), ("a", 1.0), ("c", 2.0), ("late", 9.0)):
        clock.at(seconds, lambda name=name: seen.append((name, clock.now())))  # type: ignore[misc]
    while clock.now() < 5.0:
        wait(clock, 5.0 - clock.now())
    assert seen == [("a", 1.0), ("b", 2.0), ("c", 2.0)]
    wait(clock, None)
    assert seen[-1] == ("late", 9.0)


def test_what_is_planned_for_the_past_happens_now() -> None:
    clock, seen = SimClock(start=5.0), list[float]()
    clock.at(1.0, lambda: seen.append(clock.now()))
    wait(clock, 1.0)
    assert seen == [5.0]


def test_work_takes_time_of_the_thread_that_does_it() -> None:
    clock = SimClock()
    clock.spend(0.5)
    worker = threading.Thread(target=lambda: clock.spend(2.0))
    worker.start()
    worker.join()
    assert (clock.now(), clock.thread_cpu()) == (2.5, 0.5)


def test_of_two_threads_nobody_is_overtaken() -> None:
    clock, seen = SimClock(threads=2), list[tuple[str, float]]()

    def sleeps(name: str, seconds: float, times: int) -> None:
        for _ in range(times):
            until = clock.now() + seconds
            while clock.now() < until:
                wait(clock, until - clock.now())
            seen.append((name, clock.now()))
        while len(seen) < 5:  # stays, so that the other one's time goes on
            wait(clock, None)

    threads = [
        threading.Thread(target=sleeps, args=args) for args in (("a", 1.0, 4), ("b", 3.5, 1))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [time for _, time in seen] == [1.0, 2.0, 3.0, 3.5, 4.0]


def test_a_notification_ends_a_wait_without_a_jump() -> None:
    clock, wakeup = SimClock(threads=2), threading.Condition()
    ready = threading.Event()

    def notify() -> None:
        ready.wait()
        with wakeup:
            wakeup.notify_all()

    thread = threading.Thread(target=notify)
    thread.start()
    with wakeup:
        ready.set()
        clock.wait(wakeup, 100.0)
    thread.join()
    assert clock.now() == 0.0


@pytest.mark.parametrize(
    ("bandwidth_mb_s", "seconds"), [({}, 100 * 1.24e-6), ({1: 1000}, 100 * PAGE_BYTES / 1e9)]
)
def test_moving_takes_what_was_measured_or_what_the_slower_node_allows(
    bandwidth_mb_s: dict[int, int], seconds: float
) -> None:
    clock = SimClock()
    topology = sim_topology((0,), (1,), {0: 512, 1: 512}, read_bandwidth_mb_s=bandwidth_mb_s)
    machine = SimMachine(topology, clock=clock)
    process = machine.spawn(100)
    machine.map(process, REGION_BYTES, 512, 1)
    space = machine.open(process.process)
    pages = REGION_BYTES + np.arange(100, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    assert (space.move(pages, 0) == 0).all()
    moved = clock.now()
    assert moved - 100 * 160e-9 == pytest.approx(seconds)
    space.move(pages, 0)  # who is there already is only asked
    assert clock.now() - moved == pytest.approx(100 * 160e-9)


def test_reading_and_aging_take_time_too() -> None:
    clock = SimClock()
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 512}), clock=clock)
    process = machine.spawn(100)
    machine.map(process, REGION_BYTES, 512, 1)
    space = machine.open(process.process)
    (window,) = space.read(space.vmas())
    assert clock.now() == pytest.approx(0.9e-3 + 512 * (1.75e-9 + 16e-9))
    space.age(window.blocks[0], window.blocks[0].accessed, space.vmas())
    assert clock.now() == pytest.approx(2 * 0.9e-3 + 512 * (1.75e-9 + 16e-9 + 50e-9))
