"""A fake daemon, its control socket, and the HTTP API in front of that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import support.any_host  # noqa: F401
from mmscand import __version__
from mmscand.control.listener import ControlServer
from support.fake_daemon import FakeDaemon


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "mmscand.sock"


@pytest.fixture
def server(daemon: FakeDaemon, socket_path: Path) -> Iterator[ControlServer]:
    server = ControlServer(daemon, __version__, socket_path)
    server.start()
    yield server
    server.stop()
