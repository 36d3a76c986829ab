import os
from pathlib import Path

import pytest

from mmscand.errors import MmscandError, ProcessDenied, TooManyOpenFiles
from mmscand.linux.process_list import ProcessList
from mmscand.linux.procfs import Procfs, ProcStat

KTHREAD, EXITING = 0x0020_0000, 0x4
OLD = 1e9
"""Seconds of uptime at which every process of these tests is old."""


class World:
    """A folder that looks like /proc, which counts what is read, and events that a test says."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.procfs = root, Procfs(root)
        self.read: list[int] = []
        self.listed = 0
        self.happened: set[int] | None = set()
        self.refused: dict[int, MmscandError] = {}
        """What reading a process raises."""
        self._stat, pids = self.procfs.stat, self.procfs.pids
        monkeypatch.setattr(self.procfs, "stat", self._read)
        monkeypatch.setattr(self.procfs, "pids", lambda: (self._count(), pids())[1])

    def _read(self, pid: int) -> ProcStat:
        self.read.append(pid)
        if pid in self.refused:
            raise self.refused[pid]
        return self._stat(pid)

    def _count(self) -> None:
        self.listed += 1

    def add(
        self,
        pid: int,
        *,
        start: int = 500,
        state: str = "S",
        flags: int = 0,
        name: str = "a",
        threads: int = 1,
    ) -> None:
        fields = ["1"] * 44
        fields[0], fields[6], fields[17], fields[19] = state, str(flags), str(threads), str(start)
        (self.root / str(pid)).mkdir(exist_ok=True)
        (self.root / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")

    def remove(self, pid: int) -> None:
        (self.root / str(pid) / "stat").unlink()
        (self.root / str(pid)).rmdir()

    def drain(self) -> set[int] | None:
        happened, self.happened = self.happened, set()
        return happened

    def close(self) -> None:
        pass

    def taken(self) -> list[int]:
        """What was read since the last call."""
        read, self.read = sorted(self.read), []
        return read


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def pids(processes) -> list[int]:  # noqa: ANN001
    return [process.pid for process in processes]


def test_listed_are_those_alive_except_kernel_threads_and_this_process(world: World) -> None:
    for pid in (20, 3, 100, os.getpid()):
        world.add(pid)
    world.add(4, flags=KTHREAD)
    world.add(5, state="Z")
    world.add(6, flags=EXITING)
    (world.root / "7").mkdir()  # gone between the listing and the reading
    assert pids(ProcessList(world.procfs).look().running) == [3, 20, 100]


def test_parents_come_before_their_children_whatever_their_pids(world: World) -> None:
    world.add(3, start=900)
    world.add(30, start=500)
    assert pids(ProcessList(world.procfs).look().running) == [30, 3]


def test_without_events_new_ones_are_read_at_once_and_old_ones_now_and_then(world: World) -> None:
    world.add(20)
    world.add(30)
    processes = ProcessList(world.procfs, uptime_s=lambda: OLD)
    first = processes.look()
    assert (pids(first.running), sorted(pids(first.changed)), first.quiet) == ([20, 30],) * 2 + (
        False,
    )
    world.taken()
    for _ in range(8):
        look = processes.look()
        assert (look.running, look.changed, look.quiet) == (first.running, frozenset(), True)
    assert world.taken() == []
    world.add(25)
    look = processes.look()
    assert (pids(look.running), pids(look.changed), look.quiet) == ([20, 25, 30], [25], False)
    assert world.taken() == [25]
    assert pids(processes.look().changed) != []
    assert world.taken() == [20, 25, 30]  # the eleventh look is a full one


def test_without_events_young_ones_are_read_at_each_look(world: World) -> None:
    world.add(20, start=100)
    processes = ProcessList(world.procfs, uptime_s=lambda: 10.0)  # 1000 ticks
    processes.look()
    world.add(20, start=100, name="after-exec")
    look = processes.look()
    assert [process.name for process in look.changed] == ["after-exec"]


def test_without_events_one_that_has_gone_is_missed_at_once(world: World) -> None:
    world.add(20)
    world.add(30)
    processes = ProcessList(world.procfs, uptime_s=lambda: OLD)
    processes.look()
    world.remove(20)
    look = processes.look()
    assert (pids(look.running), look.quiet) == ([30], False)


def test_with_events_a_look_at_which_nothing_happened_touches_nothing(world: World) -> None:
    world.add(20)
    processes = ProcessList(world.procfs, world)
    processes.look()
    world.taken()
    listed = world.listed
    for _ in range(9):
        assert processes.look().quiet
    assert (world.taken(), world.listed) == ([], listed)


def test_with_events_only_what_they_name_is_read(world: World) -> None:
    for pid in (20, 30, 40):
        world.add(pid)
    processes = ProcessList(world.procfs, world)
    processes.look()
    world.taken()
    world.add(50, start=900)
    world.add(20, name="new-name")
    world.remove(40)
    world.happened = {20, 40, 50, 60}  # 60 has come and gone
    look = processes.look()
    assert (pids(look.running), sorted(pids(look.changed))) == ([20, 30, 50], [20, 50])
    assert {process.name for process in look.running if process.pid == 20} == {"new-name"}
    assert world.taken() == [20, 40, 50, 60]


def test_lost_events_are_one_full_look(world: World) -> None:
    for pid in (20, 30):
        world.add(pid)
    processes = ProcessList(world.procfs, world)
    processes.look()
    world.remove(20)
    world.add(25)
    world.happened = None
    assert pids(processes.look().running) == [25, 30]
    assert processes.look().quiet


def test_with_events_all_count_as_changed_now_and_then_and_none_is_read(world: World) -> None:
    """Moves to another cgroup are no events."""
    for pid in (20, 40):
        world.add(pid)
    processes = ProcessList(world.procfs, world)
    looks = [processes.look() for _ in range(9)]
    world.taken()
    world.remove(40)
    world.add(30)
    assert processes.look().quiet  # the kernel had no memory to say of them
    look = processes.look()
    assert (pids(look.running), sorted(pids(look.changed)), look.quiet) == ([20, 30],) * 2 + (
        False,
    )
    assert world.taken() == [30, 40]
    looks += [processes.look() for _ in range(10)]
    assert [at for at, look in enumerate(looks) if look.changed] == [0, 18]


@pytest.mark.parametrize("events", [True, False], ids=["with events", "without"])
def test_one_that_a_security_module_keeps_from_us_is_left_alone(world: World, events: bool) -> None:
    for pid in (20, 30):
        world.add(pid)
    world.refused[20] = ProcessDenied(20, "read", "CAP_MAC_OVERRIDE")
    processes = ProcessList(world.procfs, world if events else None, lambda: OLD)
    look = processes.look()
    assert (pids(look.running), look.denied) == ([30], frozenset({20}))
    world.taken()
    assert processes.look().quiet
    assert world.taken() == []  # and it is not asked for each second


def test_what_could_not_be_read_for_want_of_descriptors_is_as_it_was_and_read_later(
    world: World,
) -> None:
    for pid in (20, 30):
        world.add(pid)
    processes = ProcessList(world.procfs, world)
    processes.look()
    world.add(20, name="new-name")
    world.add(40)
    world.happened, world.refused = {20, 40}, dict.fromkeys((20, 40), TooManyOpenFiles())
    assert [(p.pid, p.name) for p in processes.look().running] == [(20, "a"), (30, "a")]
    world.refused = {}
    look = processes.look()
    assert [(p.pid, p.name) for p in look.running] == [(20, "new-name"), (30, "a"), (40, "a")]
    assert sorted(pids(look.changed)) == [20, 40]
    assert processes.look().quiet


def test_one_whose_main_thread_has_ended_is_listed_until_its_last_thread_ends(
    world: World,
) -> None:
    world.add(20)
    world.add(30)
    processes = ProcessList(world.procfs, world)
    processes.look()
    world.add(20, state="Z", flags=EXITING, threads=2)
    world.happened = {20}
    assert pids(processes.look().running) == [20, 30]
    world.add(20, state="Z", flags=EXITING, threads=1)  # of which there is no event
    assert pids(processes.look().running) == [30]
    assert processes.look().quiet
