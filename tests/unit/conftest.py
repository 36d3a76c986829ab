"""A fake daemon, and the API in front of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
    server = ControlServer(daemon, "1.2.3", socket_path)
    server.start()
    yield server
    server.stop()
