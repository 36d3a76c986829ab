"""Messages to systemd, as it arrives at a socket like systemd's."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmscand.cli.notify import ServiceNotifier


class Manager:
    """The receiving end."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(0.0)

    def reported(self) -> list[str] | None:
        """The lines of the next message, None when there is none."""
        try:
            return self._socket.recv(4096).decode().split("\n")
        except BlockingIOError:
            return None

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@mmscand-test-{os.getpid()}"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    manager = Manager(address.replace("@", "\0", 1) if address.startswith("@") else address)
    yield manager
    manager.close()


def test_a_life_is_reported_in_its_order(manager: Manager, address: str) -> None:
    notifier = ServiceNotifier(environ={"NOTIFY_SOCKET": address})
    notifier.ready("reader bpf")
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    notifier.ready()
    notifier.stopping("bye")
    assert manager.reported() == ["READY=1", "STATUS=reader bpf"]
    reloading, stamp = manager.reported() or []
    name, _, microseconds = stamp.partition("=")
    assert (reloading, name) == ("RELOADING=1", "MONOTONIC_USEC")
    assert before <= int(microseconds) <= time.monotonic_ns() // 1000
    assert manager.reported() == ["READY=1"]
    assert manager.reported() == ["STOPPING=1", "STATUS=bye"]
    assert manager.reported() is None


def test_a_status_is_one_line_whatever_is_in_it(manager: Manager, address: str) -> None:
    ServiceNotifier(environ={"NOTIFY_SOCKET": address}).ready("a\nSTOPPING=1\udcff")
    assert manager.reported() == ["READY=1", r"STATUS=a STOPPING=1\xff"]


def test_a_sign_of_life(manager: Manager, address: str) -> None:
    ServiceNotifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"}).watchdog()
    assert manager.reported() == ["WATCHDOG=1"]


def test_no_sign_of_life_where_nobody_waits_for_it(manager: Manager, address: str) -> None:
    ServiceNotifier(environ={"NOTIFY_SOCKET": address}).watchdog()
    assert manager.reported() is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "x"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "9" * 400}, 1800.0),
        ({}, None),
    ],
)
def test_signs_of_life_are_due_twice_as_often_as_asked(
    environ: dict[str, str], expected: float | None
) -> None:
    notifier = ServiceNotifier(environ={"NOTIFY_SOCKET": "/run/systemd/notify", **environ})
    assert notifier.watchdog_interval_s() == expected


@pytest.mark.parametrize(
    "address", ["", "/nobody/is/there", "@nobody-is-there", "vsock:2:1", "/" + "x" * 200]
)
def test_nothing_is_raised_where_nobody_listens(address: str) -> None:
    notifier = ServiceNotifier(environ={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"})
    notifier.ready("x")
    notifier.reloading()
    notifier.watchdog()
    notifier.stopping()


def test_a_watchdog_without_a_manager_wakes_nobody() -> None:
    assert ServiceNotifier(environ={"WATCHDOG_USEC": "3000000"}).watchdog_interval_s() is None


def test_a_full_socket_does_not_hold_the_daemon(
    manager: Manager, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmscand.cli.notify._SEND_LIMIT_S", 0.01)
    notifier = ServiceNotifier(environ={"NOTIFY_SOCKET": address})
    queue = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    for _ in range(queue + 3):
        notifier.ready()
    assert manager.reported() == ["READY=1"]
