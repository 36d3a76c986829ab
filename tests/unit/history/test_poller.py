"""The thread that asks: what it writes down, and what it says."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmscand import __version__
from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from mmscand.history.poller import Poller
from mmscand.history.reader import Noted, reading
from mmscand.history.writer import HistoryWriter
from mmscand.observe.groups import Groups
from support.fake_daemon import FakeDaemon

BEGIN = 1_700_000_003


class Steps:
    """A clock whose waits end at once, and a wall that goes on by what was waited for."""

    def __init__(self, ends: Callable[[], bool]) -> None:
        self.time = float(BEGIN)
        self.waits: list[float] = []
        self.ends = ends
        self.at_end: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time

    def thread_cpu(self) -> float:
        return 0.0

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        self.waits.append(timeout_s or 0.0)
        self.time += timeout_s or 0.0
        if self.ends():
            self.at_end()


class World:
    def __init__(self, folder: Path, client: ControlClient) -> None:
        self.path = folder / "history.db"
        self.client = client
        self.said: list[str] = []
        self.wall = float(BEGIN)
        self.groups = Groups()
        self.restart()

    def restart(self) -> None:
        """As mmscand-api does, with the same file."""
        if hasattr(self, "writer"):
            self.writer.close()
        self.writer = HistoryWriter(self.path)
        self.poller = Poller(
            self.client, self.writer, self.said.append, also=[self.groups], wall=lambda: self.wall
        )

    def poll(self) -> list[Noted]:
        """Once, five seconds later; what it noted."""
        self.wall += 5
        self.poller.poll()
        with reading(self.path) as reader:
            return reader.changes(int(self.wall), int(self.wall) + 1)


@pytest.fixture
def world(tmp_path: Path, server: ControlServer, socket_path: Path) -> Iterator[World]:
    found = World(tmp_path, ControlClient(socket_path))
    yield found
    found.writer.close()


def words(changes: list[Noted]) -> list[str]:
    return [each.words for each in changes]


def test_it_notes_what_is_another_than_before(world: World, daemon: FakeDaemon) -> None:
    assert words(world.poll()) == [f"the daemon was started, version {__version__}"]
    assert world.poll() == []
    daemon.settings.change({"hot_passes": 5, "scan_sleep_ms": 7})
    daemon.enabled = False
    assert sorted(words(world.poll())) == [
        "hot_passes 3 became 5",
        "scan_sleep_ms 0 became 7",
        "scanning was switched off",
    ]
    with reading(world.path) as reader:
        taken = list(reader.samples(0, 1 << 40))
    assert len(taken) == 3
    assert taken[-1].sample["status"]["enabled"] is False
    assert taken[-1].sample["groups"]["name=^app"]["processes"] == 2
    assert world.said == []


def test_what_changed_while_it_did_not_run_is_noted_too(world: World, daemon: FakeDaemon) -> None:
    world.poll()
    world.restart()
    assert world.poll() == []
    daemon.settings.change({"hot_passes": 6})
    world.restart()
    assert words(world.poll()) == ["hot_passes 3 became 6"]


def test_a_daemon_that_goes_and_comes_is_said_once(
    world: World, daemon: FakeDaemon, server: ControlServer, socket_path: Path
) -> None:
    world.poll()
    server.stop()
    assert words(world.poll())[0].startswith("no daemon on ")
    assert world.poll() == []
    world.restart()
    assert world.poll() == []
    again = ControlServer(daemon, __version__, socket_path)
    again.start()
    try:
        assert words(world.poll()) == ["the daemon answers again"]
    finally:
        again.stop()
    assert [each.partition(":")[2][:11] for each in world.said] == [
        " no daemon ",
        " no daemon ",
        " it works a",
    ]


def test_other_sums_get_the_same_answers(world: World) -> None:
    world.poll()
    assert world.groups.take(1_700_000_000.0, [])["name=^app"]["processes"] == 0


def test_it_asks_on_the_whole_fives_until_it_ends(world: World) -> None:
    clock = Steps(lambda: len(clock.waits) == 4)
    poller = Poller(world.client, world.writer, world.said.append, clock=clock, wall=clock.now)
    clock.at_end = poller.end
    poller._wakeup = threading.Condition(threading.RLock())  # it ends within its own wait
    poller.run()
    assert clock.waits == [2.0, 5.0, 5.0, 5.0]
    with reading(world.path) as reader:
        times = [each.time for each in reader.samples(0, 1 << 40)]
    assert times == [BEGIN, BEGIN + 2, BEGIN + 7, BEGIN + 12]


def test_a_daemon_that_takes_long_to_answer_is_asked_less_often(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Steps(lambda: len(clock.waits) == 3)
    poller = Poller(world.client, world.writer, world.said.append, clock=clock, wall=clock.now)
    clock.at_end = poller.end
    poller._wakeup = threading.Condition(threading.RLock())
    answers = world.client.processes

    def slowly() -> dict[str, object]:
        clock.time += 0.125
        return answers()

    monkeypatch.setattr(world.client, "processes", slowly)
    poller.run()
    assert clock.waits == [21.875, 24.875, 24.875]  # 25 s for 0.125 s, on whole fives


def test_what_is_answered_after_the_end_is_not_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = world.client.processes

    def late() -> dict[str, object]:
        world.poller.end()
        return answers()

    monkeypatch.setattr(world.client, "processes", late)
    assert world.poll() == []


def test_its_thread_ends_with_the_context(world: World) -> None:
    with world.poller:
        pass
    assert not world.poller._thread.is_alive()
