import errno
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from mmscand.clock import SystemClock
from mmscand.daemon import Daemon, say_on_stderr
from mmscand.errors import ProcessDenied, ProcessGone, UsageError
from mmscand.model import PAGE_BYTES, IntArray, Process, UIntArray, VmaTable, Window
from mmscand.observe.events import Event, Moved, PassEnd, Planned, ProcessEntered, ProcessLeft
from mmscand.scan.mode import Mode
from mmscand.scan.rules import Rule, Rules
from mmscand.scan.visit import NoWatcher
from mmscand.settings import Settings
from mmscand.sim.address_space import SimAddressSpace
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.process import SimProcess
from support.sim_daemon import (
    HOT,
    TIMEOUT_S,
    FastClock,
    Recorder,
    Tiers,
    running,
    steady,
    tiers,
    touching,
)


def thread_names() -> list[str]:
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("mmscand"))


def test_hot_pages_are_promoted_in_the_third_pass_and_cold_ones_never() -> None:
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder):
        moved = recorder.wait_for(Moved)
        recorder.wait_for(PassEnd, lambda event: event.number >= 10)
    assert moved.promoted == len(HOT)
    assert world.on_fast() == HOT


def test_the_first_look_at_a_page_proves_nothing() -> None:
    world = tiers()
    recorder = Recorder()
    with running(world.machine, recorder):
        first = recorder.wait_for(PassEnd)
        assert (first.accessed, first.hot) == (2048, 0)
        recorder.wait_for(PassEnd, lambda event: event.number >= 6)
    assert world.on_fast() == []


def test_huge_pages_are_promoted_whole_and_counted_in_4k_pages() -> None:
    world = tiers(huge=True)
    recorder = Recorder(touching(world, [1, 3]))
    with running(world.machine, recorder):
        assert recorder.wait_for(Moved).promoted == 2 * 512
    assert world.on_fast() == [1, 3]


def test_only_slow_tier_pages_are_candidates() -> None:
    world = tiers()
    fast = world.machine.map(world.process, 4 << 30, 512, 0)

    def touch_all(event: Event) -> None:
        fast.accessed[:] = True
        world.process.run()

    recorder = Recorder(touch_all)
    with running(world.machine, recorder):
        last = recorder.wait_for(PassEnd, lambda event: event.number >= 6)
    assert last.slow == 2048
    assert fast.accessed.all()


def test_a_full_target_keeps_pages_where_they_are_and_the_daemon_going() -> None:
    world = tiers(fast_pages=512)
    filler = world.machine.spawn(200, "filler")
    world.machine.map(filler, 1 << 30, 512, 0)
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder):
        full = recorder.wait_for(Moved)
        assert (full.target, full.promoted, full.failed) == (None, 0, {"ENOMEM": len(HOT)})
        world.machine.exit(filler)
        recorder.wait_for(Moved, lambda event: event.promoted == len(HOT))
    assert world.on_fast() == HOT


def test_failures_are_counted_by_reason_and_tried_again_later() -> None:
    world = tiers()
    world.vma.pinned.flat[5] = True
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder, clock=FastClock()):
        moved = recorder.wait_for(Moved)
        assert (moved.promoted, moved.failed) == (len(HOT) - 1, {"EBUSY": 1})
        recorder.wait_for(PassEnd, lambda event: event.held == 1)
        world.vma.pinned[:] = False
        recorder.wait_for(Moved, lambda event: event.promoted == 1)
    assert world.on_fast() == HOT


def test_shared_pages_are_never_read_as_hot() -> None:
    world = tiers()
    world.vma.shared[:2] = True
    recorder = Recorder(touching(world, [1600]))
    with running(world.machine, recorder) as daemon:
        recorder.wait_for_promoted(world.process.process, 1)
        recorder.wait_for(PassEnd, lambda event: event.number >= 10)
        assert daemon.status().counters["shared"] >= 1024
    assert world.on_fast() == [1600]


def test_a_dry_run_decides_but_ages_and_moves_nothing() -> None:
    world = tiers()
    recorder = Recorder()
    with running(world.machine, recorder, dry_run=True) as daemon:
        assert daemon.status().dry_run
        hot = recorder.wait_for(PassEnd, lambda event: event.hot > 0)
    assert (hot.aged, hot.queued) == (0, 0)
    assert world.vma.accessed.all()
    assert world.on_fast() == []


def test_a_dry_run_that_clears_bits_says_the_plan_and_moves_nothing() -> None:
    world, clock = tiers(fast_pages=1024, pages=8192), SimClock(threads=2)
    hot = [*range(100, 300)]
    recorder = Recorder(touching(world, hot))
    settings = replace(steady(50), policy="capacity", headroom_percent=0.0)
    with Daemon(
        world.machine,
        settings=settings,
        observer=recorder,
        clock=clock,
        mode=Mode.CLEARS,
    ):
        planned = recorder.wait_for(Planned, lambda event: event.promote >= len(hot))
        recorder.wait_for(Planned, lambda event: event.promote == planned.promote)
    assert planned.promote == len(hot)
    assert planned.demote == 0
    assert planned.promote_from is not None
    assert planned.gained > len(hot)  # accesses a second: between any two visits
    assert planned.saved_ms == pytest.approx(planned.gained * 1e-4)
    assert planned.moves_ms == pytest.approx(len(hot) * 1.24e-3)
    assert not world.vma.accessed.reshape(-1)[1000:].any()
    assert world.on_fast() == []


def test_processes_come_and_go() -> None:
    world = tiers()
    recorder = Recorder()
    with running(world.machine, recorder):
        recorder.wait_for(ProcessEntered, lambda event: event.process.pid == 100)
        late = world.machine.spawn(101, "late")
        world.machine.map(late, 1 << 30, 512, 1)
        recorder.wait_for(ProcessEntered, lambda event: event.process.pid == 101)
        world.machine.exit(late)
        left = recorder.wait_for(ProcessLeft)
        assert (left.process.pid, left.why) == (101, "exited")
        recorder.wait_for(PassEnd, lambda event: event.process.pid == 100)


def test_exec_starts_a_process_from_nothing() -> None:
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder):
        recorder.wait_for(PassEnd, lambda event: event.number == 2)
        world.machine.exec(world.process)
        recorder.wait_for(PassEnd, lambda event: event.number == 1)


class Hostile(SimMachine):
    """A machine on which something happens in the middle of a pass or of a move."""

    def __init__(
        self, world: Tiers, on_read: Callable[[], None], on_move: Callable[[], None]
    ) -> None:
        self.__dict__.update(world.machine.__dict__)
        self.on_read, self.on_move = on_read, on_move

    def open(self, process: Process) -> "HostileSpace":
        plain = SimMachine.open(self, process)
        return HostileSpace(self, plain)


class HostileSpace(SimAddressSpace):
    def __init__(self, machine: Hostile, plain: SimAddressSpace) -> None:
        self.__dict__.update(plain.__dict__)
        self._hostile = machine

    def read(self, vmas: VmaTable, start: int = 0) -> Iterator[Window]:
        for window in super().read(vmas, start):
            self._hostile.on_read()
            yield window
            self._require_alive()

    def move(self, addresses: UIntArray, node: int, *, shared: bool = False) -> IntArray:
        self._hostile.on_move()
        return super().move(addresses, node, shared=shared)


def nothing() -> None:
    pass


def test_a_process_that_exits_in_the_middle_of_a_pass_is_a_normal_result() -> None:
    world = tiers()
    recorder = Recorder()
    machine = Hostile(world, lambda: world.machine.exit(world.process), nothing)
    with running(machine, recorder):
        left = recorder.wait_for(ProcessLeft)
    assert (left.passes, left.why) == (0, "exited")


def test_a_process_that_exits_in_the_middle_of_a_move_is_a_normal_result() -> None:
    world = tiers()
    other = world.machine.spawn(101, "other")
    vma = world.machine.map(other, 1 << 30, 512, 1)

    def hook(event: Event) -> None:
        world.vma.accessed.flat[HOT[0]] = True
        world.process.run()
        other.run()
        vma.accessed.flat[0] = not other.alive or len(recorder_passes) > 0

    recorder_passes: list[PassEnd] = []
    recorder = Recorder(hook)
    machine = Hostile(world, nothing, lambda: world.machine.exit(world.process))
    with running(machine, recorder):
        recorder.wait_for(ProcessLeft, lambda event: event.process.pid == 100)
        recorder_passes.append(recorder.wait_for(PassEnd))
        recorder.wait_for(Moved, lambda event: event.process.pid == 101)


def test_a_process_that_the_kernel_keeps_from_us_is_left_alone() -> None:
    world = tiers()
    other = world.machine.spawn(101, "other")
    world.machine.map(other, 1 << 30, 512, 1)
    denied = iter([True])

    def deny_once() -> None:
        if next(denied, False):
            raise ProcessDenied(100, "read", "CAP_SYS_PTRACE")

    recorder = Recorder()
    with running(Hostile(world, deny_once, nothing), recorder) as daemon:
        left = recorder.wait_for(ProcessLeft)
        assert left.process.pid == 100
        assert "CAP_SYS_PTRACE" in left.why
        assert daemon.left_alone(100) == left.why
        assert daemon.left_alone(101) == daemon.left_alone(7) == ""
        passes = recorder.wait_for(PassEnd, lambda event: event.number >= 5)
    assert passes.process.pid == 101


def test_starting_twice_is_one_start_and_stopping_twice_one_stop() -> None:
    daemon = Daemon(tiers().machine)
    daemon.start()
    daemon.start()
    assert thread_names() == ["mmscand-migrate", "mmscand-scan"]
    daemon.stop()
    daemon.stop()
    assert thread_names() == []
    daemon.start()
    assert daemon.running
    daemon.stop()


def test_a_start_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def failing(self: threading.Thread) -> None:
        if self.name == "mmscand-migrate":
            raise RuntimeError("can't start new thread")
        start(self)

    daemon = Daemon(tiers().machine)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", failing)
        with pytest.raises(RuntimeError, match="can't start"):
            daemon.start()
    assert thread_names() == []
    assert not daemon.running
    daemon.start()
    daemon.stop()


def stops_promptly(daemon: Daemon) -> bool:
    started = time.monotonic()
    daemon.stop()
    return time.monotonic() - started < 1.0


def test_stop_returns_promptly_when_idle_disabled_and_without_processes() -> None:
    for prepare in (lambda d: None, Daemon.disable):
        for machine in (tiers().machine, SimMachine(tiers().machine.topology())):
            daemon = Daemon(machine, settings=steady(3_600_000))
            daemon.start()
            prepare(daemon)
            assert stops_promptly(daemon)


def test_stop_returns_promptly_in_the_middle_of_a_pass() -> None:
    world = tiers(pages=512)
    world.machine.map(world.process, 8 << 30, 512, 1)
    in_pass, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        in_pass.set()
        assert go_on.wait(TIMEOUT_S)

    recorder = Recorder()
    daemon = Daemon(Hostile(world, hold, nothing), observer=recorder)
    daemon.start()
    assert in_pass.wait(TIMEOUT_S)
    stopper = threading.Thread(target=daemon.stop)
    stopper.start()
    go_on.set()  # the first of two windows ends; the second is never read
    stopper.join(TIMEOUT_S)
    assert not stopper.is_alive()
    assert recorder.wait_for(ProcessLeft).passes == 0


def test_stop_in_the_middle_of_a_move_waits_for_that_batch_only() -> None:
    world = tiers(pages=16384, slow_pages=32768)
    moving, go_on = threading.Event(), threading.Event()
    batches: list[int] = []

    def hold() -> None:
        batches.append(1)
        moving.set()
        assert go_on.wait(TIMEOUT_S)

    everything = list(range(16384))
    daemon = Daemon(
        Hostile(world, nothing, hold),
        settings=steady(),
        observer=Recorder(touching(world, everything)),
    )
    daemon.start()
    assert moving.wait(TIMEOUT_S)
    stopper = threading.Thread(target=daemon.stop)
    stopper.start()
    while not daemon_is_closing(daemon):
        time.sleep(0.001)
    go_on.set()
    stopper.join(TIMEOUT_S)
    assert len(batches) == 1


def daemon_is_closing(daemon: Daemon) -> bool:
    return not daemon.running


class WatchedClock(SystemClock):
    """Says when somebody sleeps without a deadline."""

    def __init__(self) -> None:
        self.asleep_for_good: set[threading.Condition] = set()
        self.changed = threading.Condition()

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        with self.changed:
            (self.asleep_for_good.discard if timeout_s else self.asleep_for_good.add)(wakeup)
            self.changed.notify_all()
        super().wait(wakeup, timeout_s)


def test_disabled_means_asleep_without_a_deadline_and_enable_wakes_at_once() -> None:
    clock, recorder = WatchedClock(), Recorder()
    daemon = Daemon(tiers().machine, settings=steady(), observer=recorder, clock=clock)
    daemon.start()
    recorder.wait_for(PassEnd)
    daemon.disable()
    with clock.changed:  # the scanner's and the migrator's condition
        assert clock.changed.wait_for(lambda: len(clock.asleep_for_good) == 2, TIMEOUT_S)
    daemon.enable()
    recorder.wait_for(PassEnd)
    daemon.stop()


def test_a_failure_in_a_thread_is_reported_and_raised_by_stop() -> None:
    world = tiers()
    reported = threading.Event()

    def fail() -> None:
        raise RuntimeError("a bug")

    daemon = Daemon(Hostile(world, fail, nothing), on_failure=reported.set)
    daemon.start()
    assert reported.wait(TIMEOUT_S)
    with pytest.raises(RuntimeError, match="a bug"):
        daemon.stop()
    assert thread_names() == []


class CountingWatcher(NoWatcher):
    """Keeps a process running until there were three passes over it."""

    def __init__(self, process: SimProcess) -> None:
        self._process = process
        self.three = threading.Event()

    def end_pass(self, process: Process, number: int, generation: int, aged: int) -> None:
        self._process.run()
        if number == 3:
            self.three.set()


def test_an_observer_that_raises_is_dropped_and_the_daemon_goes_on() -> None:
    world, said = tiers(), list[str]()
    counted = threading.Semaphore(0)

    def fail(event: Event) -> None:
        counted.release()
        raise RuntimeError("a bug of theirs")

    passes = CountingWatcher(world.process)
    with Daemon(
        world.machine, settings=steady(), observer=fail, watcher=passes, say=said.append
    ) as daemon:
        assert passes.three.wait(TIMEOUT_S)
        assert daemon.trouble() == ""
    assert counted.acquire(blocking=False)
    (line,) = said
    assert line == "an observer failed and gets no more events: RuntimeError('a bug of theirs')"
    assert not counted.acquire(blocking=False)


class BrokenWatcher(NoWatcher):
    wants_all = True

    def see(self, *_: object) -> None:
        raise RuntimeError("a bug of theirs")


def test_a_watcher_that_raises_is_dropped_and_the_daemon_goes_on() -> None:
    world, said, recorder = tiers(), list[str](), Recorder()
    watcher = BrokenWatcher()
    with Daemon(
        world.machine, settings=steady(), observer=recorder, watcher=watcher, say=said.append
    ):
        recorder.wait_for(PassEnd, lambda event: event.number == 2)
    assert said == ["a watcher failed and sees nothing more: RuntimeError('a bug of theirs')"]


def test_a_reused_pid_is_another_process() -> None:
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder):
        recorder.wait_for(PassEnd, lambda event: event.number == 2)
        world.machine.exit(world.process)
        reused = world.machine.spawn(100, "other")
        vma = world.machine.map(reused, 1 << 30, 512, 1)
        recorder.wait_for(
            PassEnd, lambda event: event.process == reused.process and event.number >= 3
        )
    assert not (world.machine.nodes_of(vma) == 0).any()


def test_statuses_have_names() -> None:
    world = tiers()
    space = world.machine.open(world.process.process)
    addresses = np.array([world.vma.start, 5], dtype=np.uint64)
    assert space.move(addresses, 0).tolist() == [0, -errno.EFAULT]
    world.machine.exit(world.process)
    with pytest.raises(ProcessGone):
        space.move(addresses + np.uint64(PAGE_BYTES), 0)


def test_rules_leave_processes_out_and_say_how_hard_the_others_are_scanned() -> None:
    world = tiers()
    quiet = world.machine.spawn(101, "quiet")
    world.machine.map(quiet, 1 << 30, 512, 1)
    rules = Rules(
        [
            Rule(0, name=re.compile("^quiet"), source="name=^quiet"),
            Rule(10, name=re.compile("^app"), source="name=^app"),
        ]
    )
    recorder = Recorder(touching(world, HOT))
    daemon = Daemon(world.machine, settings=steady(), rules=rules, observer=recorder)
    daemon.start()
    try:
        recorder.wait_for_promoted(world.process.process, len(HOT))
        status = daemon.status()
        assert [p.process.pid for p in status.processes] == [100]
        assert (status.processes[0].aggressiveness, status.processes[0].rule) == (10, "name=^app")
        daemon.set_rules(Rules())
        recorder.wait_for(ProcessEntered, lambda event: event.process.pid == 101)
    finally:
        daemon.stop()


def test_status_counts_what_events_reported() -> None:
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder) as daemon:
        recorder.wait_for_promoted(world.process.process, len(HOT))
        recorder.wait_for(PassEnd, lambda event: event.number >= 6)
        status = daemon.status()
    assert status.counters["promoted"] == len(HOT)
    assert status.processes[0].counters["promoted"] == len(HOT)
    assert status.counters["passes"] >= 6
    assert {name for name, seconds in status.cpu_seconds.items() if seconds > 0} == {
        "scanning",
        "aging",
        "moving",
    }
    assert (status.enabled, status.running, status.queued_slots) == (True, True, 0)


def test_a_changed_period_reaches_a_process_that_sleeps_on_the_old_one() -> None:
    recorder = Recorder()
    with running(tiers().machine, recorder, scan_period_ms=3_600_000) as daemon:
        recorder.wait_for(PassEnd)
        daemon.settings.change({"scan_period_min_ms": 1, "scan_period_ms": 1})
        recorder.wait_for(PassEnd, lambda event: event.number == 2)


def test_a_visit_is_bounded_in_pages_and_goes_on_inside_a_mapping() -> None:
    world = tiers(pages=1 << 20, slow_pages=1 << 21)  # 4 GiB in one mapping
    recorder = Recorder()
    daemon = Daemon(
        world.machine,
        settings=replace(steady(), scan_size_mb=2048, scan_size_min_mb=2048, scan_size_max_mb=2048),
        observer=recorder,
    )
    daemon.start()
    try:
        visits = [recorder.wait_for(PassEnd) for _ in range(4)]
    finally:
        daemon.stop()
    assert [v.examined for v in visits] == [1 << 19] * 4
    assert [v.number for v in visits] == [0, 0, 1, 1]  # around once in two visits


def test_a_shorter_pause_between_batches_counts_at_once() -> None:
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder) as daemon:
        daemon.settings.change({"migrate_sleep_ms": 3_600_000})
        recorder.wait_for_promoted(world.process.process, len(HOT))  # the first batch waits not
        later = world.machine.map(world.process, 8 << 30, 512, 1)
        more = [0, 9]

        def touch_later(event: Event) -> None:
            later.accessed.flat[more] = True
            world.process.run()

        recorder.hook = touch_later
        recorder.wait_for(PassEnd, lambda event: event.queued == len(more))
        daemon.settings.change({"migrate_sleep_ms": 0})
        recorder.wait_for_promoted(world.process.process, len(more))


def test_a_target_that_is_no_fast_node_is_refused_at_the_start_and_later() -> None:
    world = tiers()
    with pytest.raises(UsageError, match="target_node 1 is no fast node"):
        Daemon(world.machine, settings=Settings(target_node=1))
    daemon = Daemon(world.machine)
    with pytest.raises(UsageError, match="target_node 7"):
        daemon.settings.change({"target_node": 7, "hot_passes": 5})
    assert daemon.settings.current.hot_passes == Settings().hot_passes
    with pytest.raises(UsageError, match="target_node 7"):
        daemon.settings.replace_initial(Settings(target_node=7))
    assert daemon.settings.change({"target_node": 0}).settings.target_node == 0


@pytest.mark.parametrize(("stuck", "thread"), [("read", "scan"), ("move", "migrate")])
def test_a_stuck_thread_is_seen_and_one_that_sleeps_is_not(stuck: str, thread: str) -> None:
    world = tiers()
    go_on = threading.Event()

    def hold() -> None:
        assert go_on.wait(TIMEOUT_S)

    machine = Hostile(world, *((hold, nothing) if stuck == "read" else (nothing, hold)))
    recorder = Recorder(touching(world, HOT))
    with running(machine, recorder, clock=FastClock()) as daemon:
        while not (trouble := daemon.trouble()):  # after 0.6 s of this clock
            time.sleep(0.01)
        assert re.fullmatch(rf"thread mmscand-{thread} has been stuck for \d\d s", trouble)
        go_on.set()
        recorder.wait_for(Moved)
        daemon.disable()
        time.sleep(1.0)
        assert daemon.trouble() == ""
    assert daemon.trouble() == ""


def test_a_thread_that_has_ended_is_trouble() -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    ended = threading.Event()
    daemon = Daemon(Hostile(tiers(), fail, nothing), on_failure=ended.set)
    daemon.start()
    assert ended.wait(TIMEOUT_S)
    while not daemon.trouble():
        time.sleep(0.001)
    assert daemon.trouble() == "thread mmscand-scan has ended"
    with pytest.raises(RuntimeError, match="a bug"):
        daemon.stop()


def test_an_excluded_process_is_judged_again_when_its_name_or_user_or_cgroup_changes() -> None:
    world = tiers()
    rules = Rules(
        [
            Rule(0, name=re.compile("^app"), source="name=^app"),
            Rule(0, uid=0, source="uid=0"),
            Rule(0, cgroup="/quiet", source="cgroup=/quiet"),
        ]
    )
    sim, recorder = world.process, Recorder()
    daemon = Daemon(
        world.machine, settings=steady(), rules=rules, observer=recorder, clock=FastClock()
    )

    def becomes(name: str, uid: int, cgroup: str) -> None:
        sim.process = Process(sim.process.pid, sim.process.start_time, name)
        sim.uid, sim.cgroup = uid, cgroup

    daemon.start()
    try:
        for excluded in (("app", 1, "/"), ("other", 0, "/"), ("other", 1, "/quiet")):
            becomes("other", 1, "/")
            recorder.wait_for(ProcessEntered)
            becomes(*excluded)
            assert recorder.wait_for(ProcessLeft).why.startswith("excluded by a rule: ")
    finally:
        daemon.stop()


def test_a_standard_error_that_is_full_or_closed_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr("sys.stderr", full)
        say_on_stderr("a line")
        monkeypatch.undo()
        with suppress(OSError):  # what was not written is tried again
            full.close()
    monkeypatch.setattr("sys.stderr", full)
    say_on_stderr("a line")
