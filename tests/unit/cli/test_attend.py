"""`mmscand run` between its start and its end, as a socket like systemd's sees it."""

import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmscand.cli import run
from mmscand.cli.notify import ServiceNotifier
from mmscand.errors import MmscandError, NoSuchNode
from mmscand.model import Look, Node, Process, Topology
from mmscand.observe.events import EXITED, ProcessLeft
from mmscand.scan.selection import Selection, choose


class Signals:
    """Wakes this many times, then ends."""

    def __init__(self, *wanted: run.Wanted) -> None:
        self._wanted = iter(wanted)

    def wait(self, timeout_s: float | None) -> run.Wanted:
        return next(self._wanted)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "120000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        yield manager


def reported(manager: socket.socket) -> list[str]:
    lines = []
    while True:
        try:
            lines.append(manager.recv(4096).decode().partition("\n")[0])
        except BlockingIOError:
            return lines


def controlled(trouble: str = "") -> SimpleNamespace:
    return SimpleNamespace(trouble=lambda: trouble, reload_or_why_not=lambda: ["reloaded"])


def test_signs_of_life_a_reload_and_the_end(manager: socket.socket) -> None:
    said: list[str] = []
    nothing, reload, end = run.Wanted.NOTHING, run.Wanted.RELOAD, run.Wanted.END
    run._attend(Signals(nothing, reload, end), controlled(), said.append, str)
    life = "WATCHDOG=1"
    assert reported(manager) == ["READY=1", life, "RELOADING=1", "READY=1", life, "STOPPING=1"]
    assert said == ["reloaded"]


def test_a_stuck_thread_gives_no_sign_of_life_and_is_reported(manager: socket.socket) -> None:
    said: list[str] = []
    run._attend(Signals(run.Wanted.NOTHING, run.Wanted.END), controlled("stuck"), said.append, str)
    assert reported(manager) == ["READY=1", "STOPPING=1"]
    assert said == ["stuck"]


def test_an_api_that_has_ended_is_trouble_too(manager: socket.socket) -> None:
    said: list[str] = []
    signals = Signals(run.Wanted.NOTHING, run.Wanted.END)
    run._attend(signals, controlled(), said.append, lambda: "ended")
    assert (reported(manager), said) == (["READY=1", "STOPPING=1"], ["ended"])


def test_systemd_is_notified_of_the_end_also_when_something_fails(manager: socket.socket) -> None:
    failing = SimpleNamespace(reload_or_why_not=lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run._attend(Signals(run.Wanted.RELOAD), failing, lambda text: None, str)
    assert reported(manager)[-1] == "STOPPING=1"


def test_only_processes_given_by_pid_end_the_command_when_they_exit() -> None:
    process = Process(7, 70, "app")
    look = Look((process,), frozenset(), quiet=False)
    ended: list[str] = []
    for name, selection in (
        ("pid", choose(look, [7], None)),
        ("match", choose(look, [], "p")),
    ):
        foreground = run._Foreground(lambda _: None, selection, partial(ended.append, name))
        foreground(ProcessLeft(process, 1, "exited"))
    assert ended == ["pid"]


def one_tier() -> Topology:
    return Topology((node(0),), frozenset({0}), frozenset(), "one node")


def two_tiers() -> Topology:
    return Topology((node(0), node(1)), frozenset({0}), frozenset({1}))


def node(number: int) -> Node:
    return Node(number, True, (), {})


def test_a_service_waits_for_a_slow_tier_and_says_so_once(
    manager: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    found = iter((one_tier(), one_tier(), two_tiers()))
    nodes = SimpleNamespace(topology=lambda: next(found))
    nothing = run.Wanted.NOTHING
    run._wait_for_slow_tier(nodes, Signals(nothing, run.Wanted.RELOAD), ServiceNotifier())
    assert reported(manager) == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    assert capsys.readouterr().err == "mmscand: no slow tier: one node; waits for one\n"


def test_a_service_waits_for_a_node_that_is_named(
    manager: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the kernel sees one tier, the node of CXL memory is named before it is online."""
    found = iter((frozenset({1}), frozenset[int]()))

    def topology() -> Topology:
        return (
            two_tiers() if not next(found) else Topology((node(0),), frozenset({0, 1}), frozenset())
        )

    nodes = SimpleNamespace(topology=topology)
    run._wait_for_slow_tier(nodes, Signals(run.Wanted.NOTHING), ServiceNotifier())
    assert reported(manager) == ["READY=1", "WATCHDOG=1"]
    assert capsys.readouterr().err == "mmscand: no node 1 with memory; waits for one\n"
    with pytest.raises(NoSuchNode):
        Topology((node(0),), frozenset({0}), frozenset({1}))


def test_in_the_foreground_nobody_waits_for_a_slow_tier() -> None:
    nodes = SimpleNamespace(topology=one_tier)
    run._wait_for_slow_tier(nodes, Signals(), ServiceNotifier({}))


def test_the_command_fails_if_its_process_is_left_alone_and_goes_on_if_it_is_tried_again() -> None:
    process = Process(7, 70, "vm")
    ended: list[str] = []
    selection = Selection(frozenset((process,)))
    foreground = run._Foreground(lambda _: None, selection, lambda: ended.append("end"))
    foreground(ProcessLeft(process, 0, "no descriptor is free", for_now=True))
    assert ended == []
    foreground(ProcessLeft(process, 0, "it owns a KVM machine"))
    assert ended == ["end"]
    with pytest.raises(MmscandError, match="not watched: it owns a KVM machine"):
        foreground.require_watched()
    exited = run._Foreground(lambda _: None, selection, lambda: ended.append("end"))
    exited(ProcessLeft(process, 3, EXITED))
    exited.require_watched()
