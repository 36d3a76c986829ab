"""What the world does to the daemon: exits, unmapping, storms, reused pids, full nodes, garbage."""

import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmscand.linux.kernel_memory import KernelMemory
from mmscand.linux.readers import Reader
from mmscand.linux.tasks import Tasks
from mmscand.model import PAGE_BYTES, Process, UIntArray
from mmscand.observe.events import Moved, PassEnd, ProcessEntered, ProcessLeft
from support.guest_daemon import line_with, start_daemon
from support.live_world import LiveActor, LiveWorld
from support.puppet import Puppet
from support.sim_daemon import Recorder, running

PAGES = 16384
_CLEARLY_FEWER = 16384
"""64 MiB: what other processes take or give back meanwhile does not matter."""


def of(process: Process, number: int = 1):  # noqa: ANN201 - a predicate on any event
    return lambda event: event.process == process and getattr(event, "number", number) >= number


def hot_actor(world: LiveWorld, pages: int = PAGES) -> tuple[LiveActor, int]:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    return actor, actor.map(pages)


def test_processes_that_exit_in_the_middle_of_a_pass_or_a_move(world: LiveWorld) -> None:
    stays, address = hot_actor(world, 1024)
    recorder = Recorder(
        lambda event: (
            isinstance(event, PassEnd)
            and event.process == stays.process
            and stays.touch(address, [7])
        )
    )
    with running(world.machine, recorder, scan_period_ms=20):
        for pause in (0.0, 0.02, 0.05, 0.1):
            leaves, hot = hot_actor(world)
            recorder.wait_for(PassEnd, of(leaves.process, 2))
            leaves.touch(hot, list(range(0, PAGES, 2)))
            recorder.wait_for(PassEnd, of(leaves.process, 3))
            time.sleep(pause)  # into the move that follows
            leaves.exit()
            recorder.wait_for(ProcessLeft, of(leaves.process))
        recorder.wait_for(PassEnd, of(stays.process))


def test_a_process_that_unmaps_while_it_is_read(world: LiveWorld) -> None:
    actor, _ = hot_actor(world, 512)
    recorder = Recorder()
    with running(world.machine, recorder, scan_period_ms=1):
        recorder.wait_for(PassEnd, of(actor.process))
        for number in range(2, 22):  # passes go on meanwhile, however fast this host is
            world.puppets[-1].say("churn", pages=2048, node=world.slow, rounds=2)
            recorder.wait_for(PassEnd, of(actor.process, number))


def test_a_reused_pid_is_never_touched(world: LiveWorld) -> None:
    actor, _ = hot_actor(world, 512)
    recorder = Recorder()
    with running(world.machine, recorder, scan_period_ms=1000):
        recorder.wait_for(PassEnd, of(actor.process))
        space = world.machine.open(actor.process)
        actor.exit()
        reused = reuse_pid(actor.process.pid)
        try:
            moved = recorder.wait_for(ProcessLeft, of(actor.process))
            assert moved.why == "exited"
            with_new = world.machine.procfs.stat(reused.pid).process
            assert (with_new.pid, with_new != actor.process) == (actor.process.pid, True)
            for attempt in (space.vmas, space.generation, lambda: space.move(some_page(), 0)):
                assert raises_gone(attempt)
            recorder.wait_for(ProcessEntered, of(with_new))
        finally:
            reused.kill()
            reused.wait()


def some_page() -> UIntArray:
    return np.array([1 << 30], dtype=np.uint64)


def raises_gone(call) -> bool:  # noqa: ANN001
    from mmscand.errors import ProcessGone

    try:
        call()
    except ProcessGone:
        return True
    return False


def reuse_pid(pid: int) -> subprocess.Popen[bytes]:
    """A process with exactly this pid: the kernel is reported where to count on from."""
    for _ in range(100):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        process = subprocess.Popen(["sleep", "60"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    raise AssertionError("somebody always took the pid first")


def test_a_target_node_without_room(world: LiveWorld) -> None:
    actor, address = hot_actor(world, 8192)
    hot = list(range(8192))  # several batches: memory of earlier tests may be freed late
    recorder = Recorder(
        lambda event: (
            isinstance(event, PassEnd)
            and event.process == actor.process
            and actor.touch(address, hot)
        )
    )
    # So much that neither the pages that move nor what kswapd reclaims make the difference: a node
    # that is full to the last page makes room for some by dropping page cache.
    wanted = world.machine.free_pages(world.fast) // 2
    filler = Puppet()
    try:
        filler.map((wanted + _CLEARLY_FEWER) // 512 * 512, node=world.fast)
        with running(world.machine, recorder, scan_period_ms=100, room_pages=wanted):
            full = recorder.wait_for(Moved, lambda event: event.process == actor.process)
            assert (full.target, full.promoted) == (None, 0)
            assert set(full.failed) == {"ENOMEM"}
            recorder.wait_for(PassEnd, of(actor.process))
            filler.exit()
            recorder.wait_for(Moved, lambda event: event.promoted > 0)
    finally:
        filler.exit()


_MOST_EXAMINED = 4096 * 512
"""What the bound on tables allows: those that VmPTE says, and a thousand to spare."""


class Garbling:
    """A reader of which every third table comes back as random words."""

    name = "garbling"

    def __init__(self, memory: KernelMemory) -> None:
        self._memory = memory
        self._random = np.random.default_rng(1)
        self.on = False

    def read(self, addresses: UIntArray) -> UIntArray:
        pages = self._memory.read(addresses)
        if self.on and len(addresses) and self._random.random() < 1 / 3:
            pages = pages.copy()
            words = self._random.integers(0, 1 << 63, pages[0].shape, dtype=np.uint64)
            pages[len(pages) // 2] = words | np.uint64(1)
        return pages

    def any_task(self) -> int:
        return self._memory.any_task()

    def close(self) -> None:
        pass


def test_a_reader_that_returns_garbage(world: LiveWorld) -> None:
    actor, _ = hot_actor(world)
    real = world.machine.reader
    garbling = Garbling(real.memory)
    tasks = Tasks(garbling, real.tasks.offsets)
    machine = replace(world.machine, reader=Reader(garbling, tasks, real.direct_map))
    garbling.on = True
    recorder = Recorder()
    discarded = 0
    with running(machine, recorder, scan_period_ms=1):
        for _ in range(30):
            event = recorder.wait_for(PassEnd)
            discarded += event.discarded
            assert event.examined <= _MOST_EXAMINED
        garbling.on = False
        recorder.wait_for(PassEnd, of(actor.process))
    assert discarded > 0


def test_after_kill_9_a_new_daemon_starts_and_there_is_nothing_to_repair(
    world: LiveWorld,
) -> None:
    actor, address = hot_actor(world, 1024)
    for signal_number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)):
        daemon = start_daemon(actor.process.pid)
        line_with(daemon, "pass_end")
        daemon.send_signal(signal.SIGHUP)
        line_with(daemon, "pass_end")  # it goes on
        daemon.send_signal(signal_number)
        daemon.communicate()
        assert daemon.returncode == code
        actor.touch(address, [1])
    assert world.machine.open(actor.process).vmas().pages * PAGE_BYTES > 0


def test_the_daemon_ends_when_all_processes_given_by_pid_have_exited(world: LiveWorld) -> None:
    actor, _ = hot_actor(world, 512)
    daemon = start_daemon(actor.process.pid)
    line_with(daemon, "pass_end")
    actor.exit()
    _, complaints = daemon.communicate()
    assert (daemon.returncode, complaints) == (0, "")
